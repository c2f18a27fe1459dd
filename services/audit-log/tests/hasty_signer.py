"""A signer with the fault planted: what it signed is written down a little later."""

import threading

from audit_log.domain import heads
from audit_log.main import create_signer

__all__ = ["create_signer"]
_write_down = heads._write
_one_at_a_time = threading.Lock()


def _later(path, content):
    def write():
        with _one_at_a_time:
            _write_down(path, content)

    threading.Timer(0.03, write).start()


heads._write = _later
