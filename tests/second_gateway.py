"""Another process of the gateway on the same databases, before services that have gone wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privity_deploy import ports
from privity_deploy.child import Child
from privity_deploy.client import eventually
from privity_deploy.environment import command_of, environment_of
from privity_deploy.stack import GATEWAY, Stack

from . import gone_wrong

SERVICES = ("customers", "orders", "logistics-adapter")


@dataclass(frozen=True, slots=True)
class SecondGateway:
    url: str
    _file: Path

    @contextmanager
    def wrong(self, **how: Any) -> Iterator[None]:
        """The services behind it are wrong in this way; see `gone_wrong`."""
        self._say(how)
        try:
            yield
        finally:
            self._say({})

    def _say(self, how: dict[str, Any]) -> None:
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(how))
        written.rename(self._file)


@contextmanager
def second_gateway(stack: Stack) -> Iterator[SecondGateway]:
    places = stack.places
    process = places.tables.process(GATEWAY)
    own = ports.free_ones([process])
    port = own[GATEWAY, "http"]
    socket = places.sockets_dir / "wrong.sock"
    file = places.run_dir / "wrong.json"
    file.write_text("{}")

    def look_up(kind: str, name: str | None) -> str | None:
        if kind == "socket":
            return str(socket)
        return own_port(kind, name)

    def own_port(kind: str, name: str | None) -> str | None:
        owner, _, which = (name or "").partition(".")
        if kind == "port" and owner == GATEWAY:
            return str(own[GATEWAY, which])
        return places.look_up(kind, name)

    environment = {gone_wrong.FILE: str(file)}
    for name in SERVICES:
        environment |= environment_of(places.tables.process(name), places.look_up)
    wrong = _child(
        stack,
        "gone-wrong",
        [
            *(sys.executable, "-m", "uvicorn", f"{Path(gone_wrong.__file__).stem}:create_app"),
            *("--factory", "--app-dir", str(Path(gone_wrong.__file__).parent)),
            *("--uds", str(socket), "--loop", "uvloop", "--http", "privacy_gateway.api.wire:Wire"),
            "--no-access-log",
            *("--timeout-keep-alive", "75"),
        ],
        environment,
        address=socket,
    )
    # Its public address stays the first one's: tokens of either are good at both.
    gateway = _child(
        stack,
        "second-gateway",
        command_of(process, own_port),
        environment_of(process, look_up),
        address=port,
    )
    try:
        for child in (wrong, gateway):  # a gateway may need its services before it is healthy
            child.start()
            eventually(child.is_healthy, within=60, what=f"health of {child.name}")
        yield SecondGateway(f"http://127.0.0.1:{port}", file)
    finally:
        for child in (gateway, wrong):
            child.end()


def _child(
    stack: Stack, name: str, command: list[str], environment: dict[str, str], *, address: Path | int
) -> Child:
    return Child(
        name,
        command=command,
        environment=environment,
        folder=stack.places.root,
        log_file=stack.places.log(name),
        pid_file=stack.places.pids_dir / name,
        address=address,
        health="/healthz",
    )
