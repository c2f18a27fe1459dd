"""`make demo` where it does not come to its end: a sentence, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest


@pytest.fixture
def tell(a_root):
    """`tell(**environment)`: the demo, in a shop of small processes."""

    def begin(**environment):
        script = "import sys, pathlib; from privity_deploy import demo;"
        script += "demo.ROOT = pathlib.Path(sys.argv[1]); sys.exit(demo.main())"
        return subprocess.Popen(
            [sys.executable, "-c", script, str(a_root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )

    return begin


def test_a_database_server_that_is_not_there_is_told_in_a_sentence(tell, tmp_path):
    nowhere = "postgresql://me:hidden@127.0.0.1:1/x"
    said, _ = (demo := tell(DATABASE_URL=nowhere, TMPDIR=str(tmp_path))).communicate()

    assert demo.returncode == 1
    assert "the database server cannot be reached" in said
    assert "Traceback" not in said
    assert "hidden" not in said
    assert list(tmp_path.iterdir()) == []


def test_asked_to_end_it_takes_its_shop_with_it(tell, a_root, write_tables, small_processes):
    write_tables(a_root, small_processes.replace('SLOW = "0.8"', 'SLOW = "60"'))
    demo = tell()
    while "postgres" not in (line := demo.stdout.readline()):
        assert line
    time.sleep(0.3)
    for _ in range(3):
        demo.send_signal(signal.SIGTERM)
        time.sleep(0.05)

    said, _ = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert said.strip() == "Stopped before the end of the story."
    places = [process.info["cwd"] or "" for process in psutil.process_iter(["cwd"])]
    assert not [place for place in places if place.startswith(str(a_root))]
