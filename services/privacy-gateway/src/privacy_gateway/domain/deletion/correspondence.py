"""Letters of a deletion that wait to be written: whether each is still worth it, decided anew at
each try."""

import structlog

from privacy_gateway.domain.deletion import asking, confirming
from privacy_gateway.domain.deletion.means import Means

CODES = "deletion codes"
"""What the key of the codes is derived for."""
_log = structlog.get_logger("privity.deletion")


async def write(deletion_id: str, letter: str, *, by: Means, subject_id: str | None = None) -> None:
    """Nothing when it is undone by now, or has begun; that it is undone is said in any case. One
    that is undone names nobody: `subject_id` does. Raises Unavailable."""
    now = by.clock()
    if subject_id is not None:
        outcome = await by.telling.undone(deletion_id, subject_id, now=now)
        _log.info("deletion_letter", deletion=deletion_id, letter=letter, outcome=outcome)
        return
    async with by.database.transaction() as tx:
        deletion = await asking.find(tx, deletion_id)
        if deletion.state not in {"proposed", "waiting"}:
            return
        key = by.vault.derived_key(CODES)
        code = await confirming.to_send(tx, deletion, key=key, now=now)
    if letter == "asked":
        outcome = await by.telling.asked(deletion, now=now)
    elif code is not None:
        outcome = await by.telling.code(deletion, code[0], mark=code[1], now=now)
    else:
        return
    _log.info("deletion_letter", deletion=deletion_id, letter=letter, outcome=outcome)
