"""A process of the shop ends when it is asked to, whatever it is at."""

import signal
import subprocess
import sys

import pytest

HANGING = """
import asyncio, contextlib, time
from fastapi import FastAPI

@contextlib.asynccontextmanager
async def lifespan(app):
    print("starting", flush=True)
    await {hangs}
    yield

app = FastAPI(lifespan=lifespan)
"""


@pytest.mark.parametrize("hangs", ["asyncio.sleep(60)", "asyncio.to_thread(time.sleep, 60)"])
def test_a_start_that_hangs_ends_when_it_is_asked_to(tmp_path, hangs):
    (tmp_path / "hanging.py").write_text(HANGING.format(hangs=hangs))
    command = [sys.executable, "-m", "privity_deploy.serve", "hanging:app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "starting\n"

            process.send_signal(signal.SIGTERM)

            assert process.wait(20) == -signal.SIGTERM
        finally:
            process.kill()
