"""The staff of a shop on one machine: a password file each, and the list that the gateway reads."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from privity_deploy.secrets import Secrets

FILE = "gateway/staff.json"


def write_down(table: Path, secrets: Secrets) -> None:
    """Passwords are made once; the list is written anew, so that a change of it takes effect.

    Without a table nobody works here.
    """
    listed = tomllib.loads(table.read_text())["staff"] if table.exists() else []
    entries = []
    for colleague in listed:
        password = secrets.ensure(f"gateway/staff/{colleague['username']}", "random")
        # Relative to the list, as the gateway reads it.
        entries.append({**colleague, "password_file": f"staff/{password.name}"})
    secrets.replace(FILE, json.dumps({"staff": entries}, indent=2) + "\n")
