"""Clocks: set going by business events, and by nothing else. Of several events the latest counts,
so that what came late or twice changes nothing."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.models import RetentionClock
from privity_contracts.events import Event
from privity_contracts.ids import is_id
from privity_rest import Unprocessable

_SCOPES = (
    ("order_id", "ord", "order"),
    ("case_id", "cas", "case"),
    ("subject_id", "cus", "account"),
)


class NoScope(Unprocessable):
    code, title = "no_scope_named", "The event does not name what it is about"


def named_by(event: Event, file: PolicyFile) -> list[str]:
    """The clocks that this event sets going."""
    return [clock for clock, events in file.clocks.items() if event.type in events]


async def hear(tx: AsyncSession, event: Event, *, file: PolicyFile, vault: Vault) -> None:
    """Raises NoScope, and KeysUnavailable."""
    clocks = named_by(event, file)
    if not clocks:
        return
    scope = _scope(event)
    subject = event.data.get("subject_id") or (await vault.owners([scope])).get(scope)
    if subject is None:
        return  # nothing was ever sealed in it, so there is nobody whose it is
    country = event.data.get("country")
    for clock in clocks:
        await start(
            tx,
            scope,
            clock,
            subject_id=subject,
            country=country.upper() if country else None,
            at=event.occurred_at.astimezone(UTC),
        )


def _scope(event: Event) -> str:
    for member, prefix, kind in _SCOPES:
        named = event.data.get(member, "")
        if is_id(named, prefix):
            return f"{kind}/{named}"
    raise NoScope(errors=[("/data", "required")])


async def start(
    tx: AsyncSession,
    scope: str,
    clock: str,
    *,
    subject_id: str,
    country: str | None,
    at: datetime,
) -> None:
    row = insert(RetentionClock).values(
        scope=scope, clock=clock, subject_id=subject_id, country=country, started_at=at
    )
    later = func.greatest(RetentionClock.started_at, row.excluded.started_at)
    await tx.execute(
        row.on_conflict_do_update(
            index_elements=[RetentionClock.scope, RetentionClock.clock],
            set_={
                "started_at": later,
                "country": func.coalesce(row.excluded.country, RetentionClock.country),
            },
        )
    )


async def of(tx: AsyncSession, subject_id: str) -> dict[str, dict[str, datetime]]:
    """A person's clocks by scope."""
    rows = await tx.scalars(select(RetentionClock).where(RetentionClock.subject_id == subject_id))
    found: dict[str, dict[str, datetime]] = {}
    for row in rows:
        found.setdefault(row.scope, {})[row.clock] = row.started_at
    return found
