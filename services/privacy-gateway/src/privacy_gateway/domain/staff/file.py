"""The staff file: who works here, as the shop's owner writes it down.

It is read at every start and it is the whole truth: whoever is listed is brought to what it says,
and whoever is not no longer works here. Passwords stand in files of their own, or as argon2id
hashes; they are never in the environment.

    {"staff": [{"username": "kim", "roles": ["warehouse"], "sites": ["main"],
                "password_file": "kim.password"}],
     "groups": {"warehouse-north": {"roles": ["warehouse"], "sites": ["north"]}}}

`groups` are those of the company's identity provider, where there is one: who signs in there works
here in the roles and at the sites of their groups.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privacy_gateway.domain.intake import strict_json
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.staff.passwords import Passwords
from privacy_gateway.models import StaffMember
from privity_database import Database
from privity_rest import Malformed

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MEMBERS = frozenset({"username", "roles", "sites", "active", "password_file", "password_hash"})
_MAX_BYTES = 1024 * 1024


class StaffFileError(ValueError):
    """What is wrong with the file, by the entry's position; the start stops."""


@dataclass(frozen=True, slots=True)
class Entry:
    username: str
    roles: tuple[str, ...]
    sites: tuple[str, ...]
    active: bool
    password: str | None
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """What a group of the identity provider gives to whoever is in it."""

    roles: tuple[str, ...]
    sites: tuple[str, ...]


def read(path: Path, *, roles: Collection[str]) -> list[Entry]:
    """`roles` are those that staff can have. Raises StaffFileError."""
    listed = _content(path)["staff"]
    entries = [_entry(item, f"entry {n}", path.parent, roles) for n, item in enumerate(listed)]
    if len({entry.username for entry in entries}) != len(entries):
        raise StaffFileError(f"{path.name} lists somebody twice")
    return entries


def read_groups(path: Path, *, roles: Collection[str]) -> dict[str, Group]:
    """In the order of the file. Raises StaffFileError."""
    groups = {}
    for name, item in _content(path)["groups"].items():
        place = f"group {name!r}"
        if not isinstance(item, dict) or item.keys() != {"roles", "sites"}:
            raise StaffFileError(f"{place}: roles and sites")
        groups[name] = Group(*_roles_and_sites(item, place, roles))
    return groups


def _content(path: Path) -> dict[str, Any]:
    _require_private(path)
    try:
        content = strict_json.parse_object(path.read_bytes(), max_bytes=_MAX_BYTES)
    except Malformed as exc:
        raise StaffFileError(f"{path.name} cannot be read: {exc.errors}") from None
    content.setdefault("groups", {})
    kinds = {name: type(value) for name, value in content.items()}
    if kinds != {"staff": list, "groups": dict}:
        raise StaffFileError(f'{path.name} is {{"staff": [...]}}, perhaps with "groups": {{...}}')
    return content


async def apply(
    database: Database,
    entries: Collection[Entry],
    passwords: Passwords,
    *,
    clock: Callable[[], float],
) -> None:
    """Safe at every start, and from several processes at once."""
    async with database.transaction() as tx:
        await directory.hold_everyone(tx)
        now = clock()  # no sooner: grants that are being given meanwhile must end too
        # In one order, so that two starts do not wait for each other for ever.
        for entry in sorted(entries, key=lambda entry: entry.username):
            stored = await directory.find_by_username(tx, entry.username)
            hashed, mark = _hash(entry, stored, passwords)
            member = await directory.ensure_staff(
                tx,
                username=entry.username,
                password_hash=hashed,
                roles=entry.roles,
                sites=entry.sites,
                active=entry.active,
                now=now,
            )
            member.password_mark = mark
        usernames = [entry.username for entry in entries]
        await directory.deactivate_others(tx, usernames, now=now)


def _hash(entry: Entry, stored: StaffMember | None, passwords: Passwords) -> tuple[str, str | None]:
    """With its mark. The stored one while the password is the same: each new hash would end their
    tokens. Hashing takes long on purpose, so a start does it only for what it has not marked."""
    if entry.password_hash is not None:
        if not passwords.is_hash(entry.password_hash):
            raise StaffFileError(f"{entry.username}: the hash is not argon2id")
        return entry.password_hash, None
    password = entry.password or ""
    hashed = stored.password_hash if stored is not None else None
    if stored is not None and hashed is not None:
        if passwords.is_marked(stored.password_mark, hashed, password):
            return hashed, stored.password_mark
        if passwords.matches(hashed, password):
            return hashed, passwords.mark(hashed, password)
    hashed = passwords.hash(password)
    return hashed, passwords.mark(hashed, password)


def _entry(item: Any, place: str, folder: Path, roles: Collection[str]) -> Entry:
    if not isinstance(item, dict) or not {"username", "roles", "sites"} <= item.keys() <= _MEMBERS:
        raise StaffFileError(f"{place}: username, roles and sites; a password's file or hash")
    username, active = item["username"], item.get("active", True)
    if not isinstance(username, str) or USERNAME.fullmatch(username) is None:
        raise StaffFileError(f"{place}: not a username")
    if not isinstance(active, bool):
        raise StaffFileError(f"{place}: active is true or false")
    theirs, sites = _roles_and_sites(item, place, roles)
    if ("password_file" in item) == ("password_hash" in item):
        raise StaffFileError(f"{place}: either password_file or password_hash")
    given = item.get("password_hash")
    password = _password(folder / str(item["password_file"]), place) if given is None else None
    return Entry(username, theirs, sites, active, password, None if given is None else str(given))


def _roles_and_sites(
    item: dict[str, Any], place: str, roles: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    theirs, sites = _names(item["roles"], place), _names(item["sites"], place)
    if not set(theirs) <= set(roles):
        raise StaffFileError(f"{place}: a role that staff cannot have")
    if not all(SITE.fullmatch(site) for site in sites):
        raise StaffFileError(f"{place}: not the name of a site")
    return theirs, sites


def _names(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise StaffFileError(f"{place}: roles and sites are lists of names")
    return tuple(value)


def _password(path: Path, place: str) -> str:
    try:
        _require_private(path)
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as exc:
        raise StaffFileError(f"{place}: its password file: {type(exc).__name__}") from None
    if len(password) < 12:
        raise StaffFileError(f"{place}: a password has 12 characters or more")
    return password


def _require_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise StaffFileError(f"{path.name}: others may read it; it must have mode 600")
