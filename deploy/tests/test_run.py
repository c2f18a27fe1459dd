"""`make run`, as a person meets it: a program in a terminal."""

import os
import signal
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from privity_deploy.presence import running_stack

PORT = 18081
OTHER_PORT = 18082


class Shop:
    """The program under test, and what it has said so far."""

    def __init__(self, root, *, output="output.txt", port=PORT):
        self.output = root / output
        script = "import sys, pathlib; from privity_deploy.run import main;"
        script += "sys.exit(main(pathlib.Path(sys.argv[1])))"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", script, str(root)],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PRIVITY_PORT": str(port)},
                start_new_session=True,
            )

    def said(self):
        return self.output.read_text()

    def wait_for(self, words, seconds=30):
        deadline = time.monotonic() + seconds
        while words not in self.said():
            assert time.monotonic() < deadline, self.said()
            assert self.process.poll() is None or words in self.said(), self.said()
            time.sleep(0.05)

    def press_ctrl_c(self):
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def open_shop(a_root):
    shops = []

    def open_it():
        shops.append(Shop(a_root, port=OTHER_PORT))
        return shops[-1]

    yield open_it
    for shop in shops:
        if shop.process.poll() is None:
            shop.press_ctrl_c()


@pytest.fixture(scope="module")
def the_shop(a_lasting_root):
    shop = Shop(a_lasting_root)
    try:
        shop.wait_for("Ctrl-C closes it")
        yield shop
    finally:
        shop.press_ctrl_c()


def processes_in(root):
    return [
        process.pid
        for process in psutil.process_iter(["cwd", "status"])
        if (process.info["cwd"] or "").startswith(str(root))
    ]


def is_open(port=PORT):
    return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def in_order(text, *words):
    places = [text.index(word) for word in words]
    return places == sorted(places)


def test_it_shows_its_progress_and_then_the_addresses(the_shop):
    assert is_open()
    assert in_order(
        the_shop.said(), "postgres", "shelf", "privacy-gateway", "is open", f"127.0.0.1:{PORT}"
    )


def test_a_second_one_says_that_the_shop_is_open_already(the_shop, a_lasting_root):
    second = Shop(a_lasting_root, output="second.txt")

    assert second.process.wait(30) == 1
    assert f"already running on this data at http://127.0.0.1:{PORT}" in second.said()
    assert "Traceback" not in second.said()
    assert is_open()


def test_a_command_is_told_what_a_process_of_the_open_shop_is_told(the_shop, a_lasting_root):
    def told(*asked):
        script = "import sys, pathlib; from privity_deploy.within import main;"
        script += "sys.exit(main(sys.argv[2:], pathlib.Path(sys.argv[1])))"
        command = [sys.executable, "-c", script, str(a_lasting_root), *asked]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "/shelf" in told("shelf", "printenv", "DATABASE").stdout
    assert "no process nobody" in told("nobody", "printenv").stderr
    assert "No such file" in told("shelf", "./nothing").stderr


def test_a_process_that_dies_is_named_and_started_again(the_shop):
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{PORT}/die")
    the_shop.wait_for("privacy-gateway runs again")

    assert "privacy-gateway ended with exit code 3" in the_shop.said()
    assert "dying words" in the_shop.said()
    assert is_open()


def test_a_given_database_server_that_is_not_there_is_told_in_a_sentence(a_root, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hidden@127.0.0.1:1/postgres")

    shop = Shop(a_root, port=OTHER_PORT)

    assert shop.process.wait(30) == 1
    assert "the database server cannot be reached" in shop.said()
    assert "Traceback" not in shop.said()
    assert "hidden" not in shop.said()
    monkeypatch.undo()


def test_a_full_disk_is_told_in_a_sentence_and_nothing_stays_behind(open_shop, a_root):
    (a_root / ".privity" / "run").mkdir(parents=True)
    (a_root / ".privity" / "run" / "stack.unfinished").symlink_to("/dev/full")

    shop = open_shop()

    assert shop.process.wait(30) == 1
    assert "No space left on device" in shop.said()
    assert "Traceback" not in shop.said()
    assert processes_in(a_root) == []


def test_after_a_kill_the_next_run_recovers_and_ctrl_c_ends_everything(open_shop, a_root):
    first = open_shop()
    first.wait_for("Ctrl-C closes it")
    first.process.kill()
    first.process.wait()
    assert is_open(OTHER_PORT)

    second = open_shop()
    second.wait_for("Ctrl-C closes it")
    assert "left over" in second.said()
    assert running_stack(a_root / ".privity").process_id == second.process.pid
    assert second.press_ctrl_c() == 0

    assert in_order(second.said(), "is open", "Closing", "Closed")
    assert processes_in(a_root) == []
    assert "ended" in (a_root / ".privity" / "run" / "logs" / "shelf.log").read_text()


def test_ctrl_c_while_starting_ends_everything_too(
    open_shop, a_root, write_tables, small_processes
):
    write_tables(a_root, small_processes.replace('SLOW = "0.8"', 'SLOW = "60"'))
    shop = open_shop()
    shop.wait_for("postgres")
    time.sleep(0.5)

    assert shop.press_ctrl_c() == 0

    assert "before everything had started" in shop.said()
    assert processes_in(a_root) == []


NEEDING_ANOTHER = """
[[process]]
name = "early"
command = ["{python}", "-m", "privity_deploy.serve", "small:app", "--uds", "{socket:early}"]
socket = "early.sock"
health = "/healthz"
[process.env]
NEEDS = "{socket:late}"

[[process]]
name = "late"
command = ["{python}", "-m", "privity_deploy.serve", "small:app", "--uds", "{socket:late}"]
socket = "late.sock"
health = "/healthz"
"""


def test_of_two_that_died_one_may_need_the_other_to_be_well(open_shop, a_root, write_tables):
    write_tables(a_root, NEEDING_ANOTHER)
    shop = open_shop()
    shop.wait_for("Ctrl-C closes it")

    for name in ("early", "late"):
        pid = (a_root / ".privity" / "run" / "pids" / name).read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)

    for name in ("early", "late"):
        shop.wait_for(f"{name} runs again")


def test_a_process_that_keeps_dying_closes_the_shop(open_shop, a_root, write_tables):
    dies_at_once = (
        "import http.server, os, threading;"
        "threading.Timer(0.3, os._exit, [4]).start();"
        "http.server.HTTPServer(('127.0.0.1', {port:leaky.tap}),"
        " http.server.BaseHTTPRequestHandler).serve_forever()"
    )
    leaky = f"""
[[process]]
name = "leaky"
command = ["{{python}}", "-c", "{dies_at_once}"]
ports.tap = {{ number = 18083, variable = "LEAKY_PORT" }}
"""
    write_tables(a_root, leaky)
    shop = open_shop()

    assert shop.process.wait(40) == 1
    assert "leaky ended 6 times within a minute, last with exit code 4" in shop.said()
    assert processes_in(a_root) == []
