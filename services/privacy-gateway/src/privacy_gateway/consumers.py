"""Events in, for the gateway itself: what happened to work that grants hang on, and how much
there is to do.

The same event twice changes nothing that the first did not.
"""

from datetime import datetime
from typing import Final

from privacy_gateway.domain.budget import volume
from privacy_gateway.domain.tokens.revocation import Revocations
from privity_contracts import ids
from privity_contracts.events import Event
from privity_database import Database
from privity_rest import Unprocessable

NAME: Final = "privacy-gateway"
"""As whom the policy's trust lets it consume."""

# A case is assigned out of the queue, where it was nobody's work and nobody had a grant for it.
ENDS_GRANTS: Final = frozenset({"case.handed_over", "case.closed"})
# A service's clock may be behind ours. Who got a grant for the work since it changed asks again.
CLOCKS_APART = 5


class NoCase(Unprocessable):
    code, title = "no_case_named", "The event names no case"


async def receive(
    event: Event, *, revocations: Revocations, database: Database, now: datetime
) -> None:
    """Raises NoCase."""
    if event.type in ENDS_GRANTS:
        await _end_grants(event, revocations, now)
    elif event.type == "order.packed":
        async with database.transaction() as tx:
            await volume.count(tx, event, now=now)


async def _end_grants(event: Event, revocations: Revocations, now: datetime) -> None:
    case_id = event.data.get("case_id", "")
    if not ids.is_id(case_id, "cas"):
        raise NoCase(errors=[("/data/case_id", "required")])
    happened = int(event.occurred_at.timestamp()) + CLOCKS_APART
    await revocations.revoke(
        "work",
        f"case/{case_id}",
        now=now.timestamp(),
        # Whoever has the case by now was checked against how it stands.
        issued_until=min(happened, int(now.timestamp())),
    )
