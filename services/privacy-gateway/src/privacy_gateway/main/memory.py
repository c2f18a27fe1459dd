"""A process that crashes leaves nothing behind: what lies open in its memory is in no core file."""

import ctypes
import resource
import sys
from typing import Final

_SET_DUMPABLE: Final = 4


def keep_to_itself() -> None:
    """Also from handlers of cores that ignore the limit, and from debuggers of the same user:
    prctl(2), PR_SET_DUMPABLE."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "this process would leave core files")
