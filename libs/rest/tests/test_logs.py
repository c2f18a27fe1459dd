"""What is logged is one JSON object a line, with a level and a time that sorts as text."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from privity_rest import logs

PROGRAM = """
import structlog
from privity_rest import logs

log = structlog.get_logger("sample")
logs.configure()
log.info("began", route="/v1/orders/{order_id}", status=200)
with structlog.testing.capture_logs() as captured:
    log.warning("captured")
assert captured == [{"event": "captured", "log_level": "warning"}], captured
log.error("ended", reason=KeyError)
"""

UNCAUGHT = """
import asyncio, gc
from privity_rest import logs

async def fail(value):
    raise ValueError(f"not an address: {value}")

def call(value):
    raise KeyError(value)

async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(call, "Ada Lovelace")
    dropped = loop.create_task(fail("Ada Lovelace"))
    await asyncio.sleep(0.01)
    del dropped
    gc.collect()

logs.configure()
asyncio.run(main())
"""


def test_an_exception_that_nobody_caught_is_told_of_without_its_message() -> None:
    ran = subprocess.run([sys.executable, "-c", UNCAUGHT], check=True, capture_output=True)

    assert ran.stderr.decode().splitlines() == [
        "Exception in callback call: KeyError at <string>:9",
        "Task exception was never retrieved: ValueError at <string>:6",
    ]


def test_each_line_is_an_object_with_its_level_and_time() -> None:
    before = datetime.now(UTC)
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True)

    began, ended = (json.loads(line) for line in ran.stdout.splitlines())

    assert before <= datetime.fromisoformat(began.pop("timestamp")) <= datetime.now(UTC)
    assert began == {
        "event": "began",
        "level": "info",
        "route": "/v1/orders/{order_id}",
        "status": 200,
    }
    assert (ended["event"], ended["level"]) == ("ended", "error")
    assert ended["reason"] == "<class 'KeyError'>"


@pytest.mark.parametrize(
    ("microseconds", "stamp"),
    [
        (1_700_000_000_000_000, "2023-11-14T22:13:20.000000Z"),
        (1_700_000_000_000_042, "2023-11-14T22:13:20.000042Z"),
        (1_700_000_000_999_999, "2023-11-14T22:13:20.999999Z"),
    ],
)
def test_a_time_has_microseconds_even_when_they_are_none(microseconds: int, stamp: str) -> None:
    assert logs._stamp(microseconds) == stamp
