"""The staff of a shop on one machine: a password file each, and the list that the gateway reads."""

from __future__ import annotations

import json
from collections.abc import Iterable

from privity_deploy.secrets import Secrets
from privity_deploy.tables import Colleague

FILE = "gateway/staff.json"


def write(secrets: Secrets, staff: Iterable[Colleague]) -> None:
    """Passwords are made once; the list is written anew, so that a change of it takes effect."""
    entries = []
    for colleague in staff:
        password = secrets.ensure(f"gateway/staff/{colleague.username}", "random")
        entries.append(
            {
                "username": colleague.username,
                "roles": list(colleague.roles),
                "sites": list(colleague.sites),
                "password_file": f"staff/{password.name}",
            }
        )
    path = secrets.path(FILE)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"staff": entries}, indent=2))
