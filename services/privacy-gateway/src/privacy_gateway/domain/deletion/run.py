"""The run: step by step, each written down when it is done, each the same when done again.

The journal comes before the keys, the keys before the rows, the search after both; the person's
pseudonyms in the log go last, because the log has to say first that the person is gone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.clients.mailboxes import MailboxUnknown
from privacy_gateway.domain.deletion import asking, confirming, partners, receipt
from privacy_gateway.domain.deletion.means import Means, deletion_access, known
from privacy_gateway.domain.deletion.plan import HELD, Known, Plan, plan
from privacy_gateway.domain.disclosure.messages import MessageNotSent, MessageUnderWay
from privacy_gateway.domain.retention import clocks, holds, terms
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.rescan import Rescan, rescan
from privacy_gateway.models import Deletion, LeftBehind, RetentionEnd
from privity_jobs import RetryLater

LOOK_AGAIN: Final = timedelta(hours=1)
PATIENCE: Final = timedelta(hours=6)
SOON: Final = timedelta(minutes=1)
_log = structlog.get_logger("privity.deletion")


class StillOpens(Exception):
    """Something that should be unreadable is not. The run stops here and is looked at."""


async def run(deletion_id: str, *, by: Means) -> None:
    """From wherever it stands to its end. Raises RetryLater while orders are in progress, and
    Unavailable when something that it needs is away."""
    while True:
        async with by.database.transaction() as tx:
            deletion = await asking.find(tx, deletion_id)
        if deletion.state not in {"waiting", "running"}:
            return
        name, step = _after(deletion.step)
        await step(deletion, by, by.clock())
        _log.info("deletion_step", deletion=deletion_id, step=name)


def _after(done: str | None) -> tuple[str, "Step"]:
    names = list(STEPS)
    name = names[0] if done is None else names[names.index(done) + 1]
    return name, STEPS[name]


async def _decide(deletion: Deletion, by: Means, now: datetime) -> None:
    """What goes, as far as it is known. From here on it cannot be undone."""
    subject = asking.subject_of(deletion)
    held = await known(by, subject)
    decided = plan(held, by.policy.file, now=now)
    if decided.in_progress and deletion.orders_in_progress == "refuse":
        raise RetryLater("orders_in_progress", seconds=LOOK_AGAIN.total_seconds())
    async with by.database.transaction() as tx:
        mine = await asking.find(tx, deletion.id, lock=True)
        if mine.state != "waiting":
            return  # undone at the last moment
        mine.state, mine.step = "running", "decided"
        mine.plan, mine.sealed = decided.model_dump(mode="json"), sorted(_sealed(held))


async def _sign_out(deletion: Deletion, by: Means, now: datetime) -> None:
    await by.revocations.revoke("actor", asking.subject_of(deletion), now=now.timestamp())
    await _note(deletion, by, "signed_out")


async def _tell_customer(deletion: Deletion, by: Means, now: datetime) -> None:
    """The last letter, while there is a key to open the address with. A mail server that is away
    puts the deletion off for some hours and no longer."""
    try:
        outcome = await by.telling.begun(deletion, now=now)
    except (MessageNotSent, MessageUnderWay, MailboxUnknown) as exc:
        if now < deletion.runs_at + PATIENCE:
            raise RetryLater(exc.code, seconds=SOON.total_seconds()) from None
        outcome = "not_sent"
    async with by.database.transaction() as tx:
        mine = await asking.find(tx, deletion.id, lock=True)
        mine.letter, mine.step = outcome, "customer_told"


async def _settle(deletion: Deletion, by: Means, now: datetime) -> None:
    """What goes, for good: hours may have passed with a mail server that was away, and a request
    may have been under way while the person was signed out. What they ordered at the last moment is
    left until it has ended; a hold that was placed since keeps what it covers, and later ones are
    refused."""
    subject = asking.subject_of(deletion)
    held = await known(by, subject)
    async with by.database.transaction() as tx:
        mine = await asking.find(tx, deletion.id, lock=True)
        if mine.step != "customer_told":
            return  # another worker is further
        standing = await holds.standing(tx, [subject])
        decided = plan(replace(held, holds=standing), by.policy.file, now=now)
        mine.plan = decided.model_dump(mode="json")
        mine.sealed = sorted({*(mine.sealed or ()), *_sealed(held)})
        mine.step = holds.SETTLED


def _sealed(held: Known) -> set[str]:
    return {token for holding in held.holdings for token in holding.sealed}


async def _write_down(deletion: Deletion, by: Means, now: datetime) -> None:
    await by.journal.append(_plan(deletion).places(asking.subject_of(deletion)), now=now)
    await _note(deletion, by, "written_down")


async def _destroy_keys(deletion: Deletion, by: Means, now: datetime) -> None:
    """Also those that came to be while the first were destroyed."""
    subject, decided = asking.subject_of(deletion), _plan(deletion)
    staying = {(part.scope, part.retention_class) for part in decided.stay}
    while doomed := [
        entry.place
        for entry in await by.inventory.of(subject)
        if entry.destroyed_at is None
        and entry.place.retention_class != AUDIT_TAG
        and (entry.place.scope, entry.place.retention_class) not in staying
        and entry.place.scope not in decided.in_progress
    ]:
        await by.journal.append(doomed, now=now)
        for place in doomed:
            await by.destroy(place, now)
    await _note(deletion, by, "keys_destroyed")


async def _drop_rows(deletion: Deletion, by: Means, now: datetime) -> None:
    subject, decided = asking.subject_of(deletion), _plan(deletion)
    for scope, classes in decided.scopes().items():
        await by.holdings.drop(subject, scope, classes)
    known_of = {part.scope for part in (*decided.go, *decided.stay)} | set(decided.in_progress)
    for holding in await by.holdings.of(subject):
        if holding.scope not in known_of:
            # It came in after it was settled; its keys went with the others.
            await by.holdings.drop(subject, holding.scope, _on_request(by, holding.scope))
    async with by.database.transaction() as tx:
        await _remember(tx, deletion, decided, now=now)
        (await asking.find(tx, deletion.id)).step = "rows_dropped"


def _on_request(by: Means, scope: str) -> list[str]:
    file = by.policy.file
    return [name for name in file.retention if not terms.kept_on_request(file, name, scope=scope)]


async def _remember(tx: AsyncSession, deletion: Deletion, decided: Plan, *, now: datetime) -> None:
    subject = asking.subject_of(deletion)
    for part in decided.go:
        await tx.execute(
            insert(RetentionEnd)
            .values(
                scope=part.scope,
                retention_class=part.retention_class,
                why="requested",
                at=now,
            )
            .on_conflict_do_nothing()
        )
    held = {part.scope for part in decided.stay if part.why.startswith(HELD)}
    held -= {f"account/{subject}", *decided.in_progress}
    for scope in sorted(held):
        # It goes when nothing holds it any more.
        await clocks.start(tx, scope, "account_closed", subject_id=subject, country=None, at=now)
    for scope in (*decided.in_progress, *sorted(held)):
        await tx.execute(
            insert(LeftBehind)
            .values(scope=scope, subject_id=subject, deletion_id=deletion.id)
            .on_conflict_do_nothing()
        )
    await clocks.start(
        tx, f"account/{subject}", "account_closed", subject_id=subject, country=None, at=now
    )


async def _tell_partners(deletion: Deletion, by: Means, now: datetime) -> None:
    orders = [
        scope.removeprefix("order/")
        for scope in _plan(deletion).scopes()
        if scope.startswith("order/")
    ]
    async with by.database.transaction() as tx:
        await partners.ask(tx, deletion.id, orders, now=now)
        (await asking.find(tx, deletion.id)).step = "partners_told"


async def _search(deletion: Deletion, by: Means, now: datetime) -> None:
    """Raises StillOpens."""
    found = await _searched(deletion, by)
    if found.opened:
        _log.error("deleted_data_still_opens", deletion=deletion.id, keys=len(found.opened))
        raise StillOpens(deletion.id)
    await _note(deletion, by, "searched")


async def _searched(deletion: Deletion, by: Means) -> Rescan:
    """Every sealed value that went, those known before and those still lying somewhere."""
    subject, decided = asking.subject_of(deletion), _plan(deletion)
    kept = {part.scope for part in decided.stay} - set(decided.scopes())
    kept |= set(decided.in_progress)
    staying: set[str] = set()
    left: set[str] = set()
    for holding in await by.holdings.of(subject):
        (staying if holding.scope in kept else left).update(holding.sealed)
    remaining = [e.key_id for e in await by.inventory.of(subject) if e.destroyed_at is None]
    tokens = (set(deletion.sealed or ()) | left) - staying
    return await rescan(by.vault.keys, subject, tokens, remaining)


async def _give_receipt(deletion: Deletion, by: Means, now: datetime) -> None:
    subject, decided = asking.subject_of(deletion), _plan(deletion)
    searched = await _searched(deletion, by)
    access = deletion_access(by, subject, change="deletion_done", resource=deletion.id)
    [recorded] = await by.audit.record([access])
    async with by.database.transaction() as tx:
        mine = await asking.find(tx, deletion.id, lock=True)
        told = await partners.ask(tx, deletion.id, [], now=now)
        mine.receipt = by.receipts.sign(
            receipt.content(
                mine,
                decided,
                by.policy,
                partners=told,
                searched=searched,
                record=recorded.record_id,
                now=now,
            )
        )
        mine.step = "receipt_given"


async def _forget_tags(deletion: Deletion, by: Means, now: datetime) -> None:
    """While an order is under way or a hold stands, the log still has to say whose it is."""
    subject = asking.subject_of(deletion)
    if _plan(deletion).is_all:
        place = Place(subject, f"account/{subject}", AUDIT_TAG)
        await by.journal.append([place], now=now)
        await by.destroy(place, now)
    await _note(deletion, by, "tags_forgotten")


async def _finish(deletion: Deletion, by: Means, now: datetime) -> None:
    async with by.database.transaction() as tx:
        await confirming.forget(tx, asking.subject_of(deletion))
        asking.end(await asking.find(tx, deletion.id, lock=True), now=now)


async def _note(deletion: Deletion, by: Means, step: str) -> None:
    async with by.database.transaction() as tx:
        (await asking.find(tx, deletion.id, lock=True)).step = step


def _plan(deletion: Deletion) -> Plan:
    return Plan.model_validate(deletion.plan)


Step = Callable[[Deletion, Means, datetime], Awaitable[None]]
STEPS: Final[dict[str, Step]] = {
    "decided": _decide,
    "signed_out": _sign_out,
    "customer_told": _tell_customer,
    "settled": _settle,
    "written_down": _write_down,
    "keys_destroyed": _destroy_keys,
    "rows_dropped": _drop_rows,
    "partners_told": _tell_partners,
    "searched": _search,
    "receipt_given": _give_receipt,
    "tags_forgotten": _forget_tags,
    "finished": _finish,
}
