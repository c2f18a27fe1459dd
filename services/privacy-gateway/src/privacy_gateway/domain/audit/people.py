"""Saying who a tag stands for, which is an access to that person's data like any other."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from privacy_gateway.domain.audit.access import Access, FieldAccess, Receipt
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.openings import CATEGORY, Opening
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import Vault

REVEALED = (FieldAccess("tag", CATEGORY, "reveal"),)


async def reveal(
    leaves: Iterable[Mapping[str, Any]],
    members: Iterable[str],
    *,
    reading: Access,
    records: Records,
    log: AuditLog,
    vault: Vault,
) -> dict[str, str | None]:
    """The ids behind the tags in these members of the leaves; nothing for a person who is gone.

    `reading` is the access of whoever asks. One is recorded for each person before they are named.
    """
    tags = _tags(leaves, members)
    openings = await records.openings(tags)
    await vault.prepare([opening.sealed for opening in openings])
    owners = {opening.tag: _owner(vault, opening) for opening in openings}
    persons = sorted({owner for owner in owners.values() if owner is not None})
    receipts = await log.record(
        [
            replace(
                reading,
                subject=person,
                scope=f"account/{person}",
                resource=None,
                fields=REVEALED,
            )
            for person in persons
        ]
    )
    await vault.prepare([opening.sealed for opening in openings])
    by_person = dict(zip(persons, receipts, strict=True))
    named: dict[str, str | None] = dict.fromkeys(tags)
    for opening in openings:
        owner = owners[opening.tag]
        if owner is not None:
            named[opening.tag] = await _opened(opening, by_person[owner], vault)
    return named


async def own(
    leaves: Iterable[Mapping[str, Any]],
    members: Iterable[str],
    *,
    receipt: Receipt,
    records: Records,
    vault: Vault,
) -> dict[str, str]:
    """What tags of the receipt's own subject stand for; those of others are left out."""
    openings = await records.openings(_tags(leaves, members))
    await vault.prepare([opening.sealed for opening in openings])
    named = {}
    for opening in openings:
        if _owner(vault, opening) == receipt.subject:
            what = await _opened(opening, receipt, vault)
            if what is not None:
                named[opening.tag] = what
    return named


async def _opened(opening: Opening, receipt: Receipt, vault: Vault) -> str | None:
    try:
        what = vault.open(opening.sealed, receipt)
    except (KeyDestroyed, DoesNotOpen, NotSealed):
        return None
    # An opening that was moved to another tag is not believed.
    owner = receipt.subject or ""
    found = await vault.tags(opening.month, [(owner, what)], minting=False)
    return what if found[owner, what] == opening.tag else None


def _tags(leaves: Iterable[Mapping[str, Any]], members: Iterable[str]) -> list[str]:
    wanted = list(members)
    return sorted(
        {
            leaf[member].rpartition("/")[2]
            for leaf in leaves
            for member in wanted
            if "t1:" in leaf.get(member, "")
        }
    )


def _owner(vault: Vault, opening: Opening) -> str | None:
    try:
        return vault.subject_of(opening.sealed)
    except (KeyDestroyed, NotSealed):
        return None
