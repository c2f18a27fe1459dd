"""`python -m privity_deploy.within PROCESS COMMAND …`: a command, told what that process is told.

For whoever sits at the machine of an open shop: the gateway's commands, a database's address.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from privity_deploy import tables
from privity_deploy.environment import environment_of
from privity_deploy.places import Places
from privity_deploy.presence import running_stack
from privity_deploy.tables import TableRefused

ROOT = Path(__file__).resolve().parents[3]


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Does not return where there is a shop: the command takes our place."""
    if len(arguments) < 2:
        print("usage: python -m privity_deploy.within PROCESS COMMAND ...", file=sys.stderr)
        return 2
    process, *command = arguments
    running = running_stack(root / ".privity")
    if running is None:
        print("No shop is open; `make run` opens one.", file=sys.stderr)
        return 1
    read = tables.read(root / "deploy" / "processes.toml", root / "deploy" / "databases.toml")
    places = Places(read, root=root, data_dir=root / ".privity")
    places.admin_url = running.admin_url
    for name, number in running.ports.items():
        of, _, port = name.partition(".")
        places.ports[of, port] = number
    try:
        environment = environment_of(read.process(process), places.look_up)
    except TableRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - the caller's own command
    except OSError as failure:
        print(f"{command[0]}: {failure.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
