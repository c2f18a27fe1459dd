"""Which TCP ports the shop listens on."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

from privity_deploy.tables import Process

# Below the range from which the kernel gives ports to outgoing connections.
CHOOSABLE = range(20000, 32000)


class PortRefused(Exception):
    """A port cannot be used; the message says which variable chooses another."""


def as_the_table_says(
    processes: Iterable[Process], environ: Mapping[str, str]
) -> dict[tuple[str, str], int]:
    """Ports by process and name; refused when one is taken."""
    chosen: dict[tuple[str, str], int] = {}
    for process in processes:
        for name, port in process.ports.items():
            number = _number(environ.get(port.variable, str(port.number)), port.variable)
            if number in chosen.values() or not is_free(number):
                raise PortRefused(
                    f"port {number}, which {process.name} would listen on, is taken by another"
                    f" program; end that program or choose another port with {port.variable}=…"
                )
            chosen[process.name, name] = number
    return chosen


def free_ones(processes: Iterable[Process]) -> dict[tuple[str, str], int]:
    """Any ports that nobody uses, for stacks that run side by side."""
    chosen: dict[tuple[str, str], int] = {}
    for process in processes:
        for name in process.ports:
            number = random.choice(CHOOSABLE)  # noqa: S311 - a port is no secret
            while number in chosen.values() or not is_free(number):
                number = random.choice(CHOOSABLE)  # noqa: S311 - as above
            chosen[process.name, name] = number
    return chosen


def is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of the last run that still linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def _number(text: str, variable: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise PortRefused(f"{variable} must be a port number from 1 to 65535")
    return int(text)
