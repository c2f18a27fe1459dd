"""A gateway that crashes leaves no core file: keys and open values would be in it."""

import ctypes
import resource
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = """
import os, resource, sys
_, most = resource.getrlimit(resource.RLIMIT_CORE)
if most == 0:
    sys.exit(75)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
{before}
os.abort()
"""
NOT_ALLOWED = 75
KEPT = "from privacy_gateway.main import memory; memory.keep_to_itself()"
PATTERN = Path("/proc/sys/kernel/core_pattern")


def cores(folder, before):
    crash = [sys.executable, "-c", CRASH.format(before=before)]
    ended = subprocess.run(crash, cwd=folder, check=False, capture_output=True).returncode
    if ended == NOT_ALLOWED:
        pytest.skip("no process may leave core files here anyway")
    assert ended < 0
    return [file.name for file in folder.iterdir()]


def test_a_crash_leaves_nothing_behind(tmp_path):
    assert cores(tmp_path, KEPT) == []


@pytest.mark.skipif(
    not PATTERN.exists() or not PATTERN.read_text().startswith("core"),
    reason="this machine takes core files elsewhere",
)
def test_a_process_that_does_not_keep_to_itself_is_noticed(tmp_path):
    assert cores(tmp_path, "") != []


def test_a_gateway_keeps_to_itself(gateway):
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    if sys.platform == "linux":
        assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
