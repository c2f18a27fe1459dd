"""Opens counted in the vault against opens recorded: nothing is revealed unrecorded, or it shows.

Two looks, each for another way to go wrong. What was decrypted must be what a receipt was shown
for. And the receipts that were shown must be of records that stand in the store and allow.
"""

from datetime import datetime

from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.domain.watch.looking import Finding

_STORED = "SELECT id, leaf FROM records WHERE id = ANY($1::text[])"


async def unreconciled(vault: Vault, records: Records, *, now: datetime) -> list[Finding]:
    """Of this process. The same hour's differences are one matter."""
    found = []
    # No await between the counts: they are of one instant.
    difference = vault.opened + vault.broken - vault.recorded
    shown = vault.shown()
    if difference:
        found.append(_finding("counts", abs(difference), now))
    if shown:
        rows = await records.fetch(_STORED, shown)
        allowed = {row["id"] for row in rows if _allows(bytes(row["leaf"]))}
        unknown = [record_id for record_id in shown if record_id not in allowed]
        if unknown:
            found.append(_finding("receipts", len(unknown), now, record_id=unknown[0]))
    return found


def _allows(content: bytes) -> bool:
    try:
        return bool(leaf.read(content)["decision"] == "allow")
    except (ValueError, KeyError, TypeError):
        return False


def _finding(what: str, count: int, now: datetime, *, record_id: str | None = None) -> Finding:
    return Finding(
        key=f"unreconciled_open/{what}/{now:%Y%m%dT%H}",
        rule="unreconciled_open",
        count=count,
        limit=0,
        at=now,
        record_id=record_id,
    )
