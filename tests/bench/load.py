"""A load in a process of its own: keep-alive connections, one request under way on each.

Reads lines of `path<TAB>token` and prints one line of JSON: requests a second, and p50 and p99 in
milliseconds. Anything but 200 is an error and is counted.
"""

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop


async def _connection(
    host: str, port: int, requests: list[bytes], *, until: float, took: list[float]
) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    errors = 0
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(random.choice(requests))  # a load, no secret
        head = await reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        at = lowered.index(b"content-length:") + 15
        await reader.readexactly(int(lowered[at : lowered.index(b"\r", at)]))
        errors += not head.startswith(b"HTTP/1.1 200")
        took.append(time.perf_counter() - begun)
    writer.close()
    return errors


async def _run(url: str, lines: list[str], *, connections: int, seconds: float) -> dict[str, float]:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
        for path, token in (line.split("\t") for line in lines)
    ]
    took: list[float] = []
    until = time.perf_counter() + seconds
    begun = time.perf_counter()
    errors = sum(
        await asyncio.gather(
            *(_connection(host, port, requests, until=until, took=took) for _ in range(connections))
        )
    )
    whole = time.perf_counter() - begun
    took.sort()
    return {
        "requests_per_second": len(took) / whole,
        "p50": took[len(took) // 2] * 1000,
        "p99": took[int(len(took) * 0.99)] * 1000,
        "errors": errors,
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("requests", type=Path)
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--seconds", type=float, default=5)
    asked = arguments.parse_args()
    lines = asked.requests.read_text().splitlines()
    measured = uvloop.run(
        _run(asked.url, lines, connections=asked.connections, seconds=asked.seconds)
    )
    print(json.dumps(measured))  # its answer


if __name__ == "__main__":
    main()
