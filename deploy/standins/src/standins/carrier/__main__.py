"""`python -m standins.carrier --port 8091`"""

import argparse

import uvicorn

from standins.carrier.application import create_app

arguments = argparse.ArgumentParser(description="A delivery partner, as its own process.")
arguments.add_argument("--host", default="127.0.0.1")
arguments.add_argument("--port", type=int, default=8091)
chosen = arguments.parse_args()
uvicorn.run(
    create_app(),
    host=chosen.host,
    port=chosen.port,
    log_level="warning",
    access_log=False,
    timeout_graceful_shutdown=2,
)
