"""What a deletion needs of the gateway."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from privacy_gateway.clients.holdings import HoldingsOfAll
from privacy_gateway.clients.webhooks import Webhooks
from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.deletion.journal import Journal
from privacy_gateway.domain.deletion.plan import Known
from privacy_gateway.domain.deletion.receipt import Receipts
from privacy_gateway.domain.deletion.telling import Telling
from privacy_gateway.domain.own_access import own_access
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.retention import clocks, holds
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.domain.vault.inventory import Inventory
from privacy_gateway.domain.vault.kek import KeyEncryption
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.vault import Vault
from privity_database import Database

Destroy = Callable[[Place, datetime], Awaitable[object]]
"""Returns when no process can open anything under the place's key any more."""


@dataclass(frozen=True, slots=True)
class Means:
    database: Database
    policies: PolicyInForce
    vault: Vault
    audit: AuditLog
    journal: Journal
    inventory: Inventory
    holdings: HoldingsOfAll
    destroy: Destroy
    revocations: Revocations
    receipts: Receipts
    telling: Telling
    webhooks: Webhooks
    keks: KeyEncryption
    clock: Callable[[], datetime]

    @property
    def policy(self) -> Policy:
        return self.policies.current


async def known(means: Means, subject: str) -> Known:
    """Everything there is to know of one person. Raises Unavailable unless it is all."""
    async with means.database.transaction() as tx:
        running = await clocks.of(tx, subject)
        standing = await holds.standing(tx, [subject])
    return Known(
        subject=subject,
        holdings=await means.holdings.of(subject),
        entries=await means.inventory.of(subject),
        clocks=running,
        holds=standing,
    )


def deletion_access(means: Means, subject: str | None, *, change: str, resource: str) -> Access:
    """What the gateway itself did; `change` is a code."""
    return own_access(
        means.policy,
        kind="key",
        purpose="deletion_oversight",
        reason=change,
        subject=subject,
        scope=None if subject is None else f"account/{subject}",
        resource=resource,
    )
