"""The tables of processes and databases, read and checked before anything starts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from privity_postgres import DatabaseEntry, Grants

POSTGRES = "postgres"
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
SECRET_NAME = re.compile(r"[a-z][a-z0-9_-]*(/[a-z][a-z0-9_-]*)?(\.pem)?")
SECRET_KINDS = {"random", "es256", "ed25519", "log_signer"}
FIELDS = {"name", "command", "socket", "ports", "health", "waits_for", "env"}


class TableRefused(Exception):
    """A table says something that cannot be meant; the message names the place."""


@dataclass(frozen=True)
class Port:
    number: int
    variable: str


@dataclass(frozen=True)
class Process:
    name: str
    command: tuple[str, ...]
    socket: str | None = None
    ports: Mapping[str, Port] = field(default_factory=dict)
    health: str | None = None
    waits_for: tuple[str, ...] = ()
    env: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tables:
    processes: tuple[Process, ...]
    databases: tuple[DatabaseEntry, ...]
    secrets: Mapping[str, str]

    def process(self, name: str) -> Process:
        for process in self.processes:
            if process.name == name:
                return process
        raise TableRefused(f"there is no process {name}")


def read(processes_file: Path, databases_file: Path) -> Tables:
    """Both tables, with processes in an order in which each comes after what it waits for."""
    listed = tomllib.loads(processes_file.read_text())
    entries = tomllib.loads(databases_file.read_text())
    secrets = listed.get("secrets", {})
    for name, kind in secrets.items():
        if SECRET_NAME.fullmatch(name) is None or kind not in SECRET_KINDS:
            raise TableRefused(f"secret {name}: an unusable name, or a kind that is not known")
    return Tables(
        processes=_in_order([_process(entry) for entry in listed.get("process", [])]),
        databases=tuple(_database(entry) for entry in entries.get("database", [])),
        secrets=secrets,
    )


def _database(entry: dict[str, Any]) -> DatabaseEntry:
    apart = tuple(entry.get("apart", ()))
    return DatabaseEntry(**{**entry, "grants": Grants(entry["grants"]), "apart": apart})


def _process(entry: dict[str, Any]) -> Process:
    name = entry.get("name", "?")
    if NAME.fullmatch(name) is None or name == POSTGRES:
        raise TableRefused(f"process {name}: not a usable name")
    if unknown := entry.keys() - FIELDS:
        raise TableRefused(f"process {name}: unknown fields {', '.join(sorted(unknown))}")
    if "command" not in entry or ("socket" in entry) == ("ports" in entry):
        raise TableRefused(f"process {name}: needs a command and either a socket or ports")
    if "socket" in entry and "health" not in entry:
        raise TableRefused(f"process {name}: a socket needs a health path")
    ports = {key: Port(**value) for key, value in entry.get("ports", {}).items()}
    if "health" in entry and ports and "http" not in ports:
        raise TableRefused(f"process {name}: a health path needs the port named http")
    return Process(
        name=name,
        command=tuple(entry["command"]),
        socket=entry.get("socket"),
        ports=ports,
        health=entry.get("health"),
        waits_for=tuple(entry.get("waits_for", ())),
        env=entry.get("env", {}),
    )


def _in_order(processes: list[Process]) -> tuple[Process, ...]:
    names = [process.name for process in processes]
    if len(set(names)) < len(names):
        raise TableRefused("two processes have one name")
    for process in processes:
        if missing := set(process.waits_for) - {*names, POSTGRES}:
            raise TableRefused(f"process {process.name} waits for {', '.join(sorted(missing))}")
    ordered: list[Process] = []
    done = {POSTGRES}
    while len(ordered) < len(processes):
        ready = [p for p in processes if p.name not in done and done.issuperset(p.waits_for)]
        if not ready:
            circle = ", ".join(name for name in names if name not in done)
            raise TableRefused(f"these wait for each other: {circle}")
        ordered += ready
        done.update(process.name for process in ready)
    return tuple(ordered)
