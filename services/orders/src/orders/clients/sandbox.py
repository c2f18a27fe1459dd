"""A payment provider that takes no money, for demonstrations and tests.

    tok_approve…               approved
    tok_decline…               declined; the rest of the token may name a reason:
                               tok_decline_insufficient_funds
    tok_challenge…             a challenge; `res_pass…` passes it, `res_fail…` fails it
    anything else              declined as an invalid token

Its books are a table, so that it remembers across restarts and processes.
"""

import hashlib
from types import TracebackType
from typing import Self

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orders.clients.payment_provider import Attempt, Charge
from orders.models import Outcome, Reason, SandboxCharge
from privity_database import Database

_CARDS = {"tok_approve": "4242", "tok_decline": "0002", "tok_challenge": "3155"}


class Sandbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def charge(self, charge: Charge) -> Attempt:
        outcome, reason = _decision(charge.token)
        async with self._database.transaction() as tx:
            return _attempt(await _booked(tx, charge, outcome, reason))

    async def after_challenge(self, charge: Charge, *, result: str | None) -> Attempt:
        async with self._database.transaction() as tx:
            booked = await _booked(tx, charge, *_decision(charge.token))
            if booked.outcome is Outcome.CHALLENGE and result is not None:
                passed = result.startswith("res_pass")
                booked.outcome = Outcome.APPROVED if passed else Outcome.DECLINED
                booked.reason = None if passed else Reason.AUTHENTICATION_FAILED
            return _attempt(booked)

    async def release(self, charge: Charge) -> Outcome:
        async with self._database.transaction() as tx:
            # Booked as void if it never arrived, so that it cannot be charged any more.
            booked = await _booked(tx, charge, Outcome.VOIDED, None)
            if booked.outcome is Outcome.APPROVED:
                booked.outcome = Outcome.REFUNDED
                booked.refunds += 1
            elif booked.outcome is not Outcome.REFUNDED:
                booked.outcome = Outcome.VOIDED
            return booked.outcome


def _decision(token: str) -> tuple[Outcome, Reason | None]:
    if token.startswith("tok_approve"):
        return Outcome.APPROVED, None
    if token.startswith("tok_challenge"):
        return Outcome.CHALLENGE, None
    if token.startswith("tok_decline"):
        named = token.removeprefix("tok_decline").strip("_")
        return Outcome.DECLINED, Reason(named) if named in set(Reason) else Reason.CARD_DECLINED
    return Outcome.DECLINED, Reason.INVALID_TOKEN


async def _booked(
    tx: AsyncSession, charge: Charge, outcome: Outcome, reason: Reason | None
) -> SandboxCharge:
    """The payment's entry, locked. The first call for a payment decides; later ones find it so."""
    last4 = next((last4 for kind, last4 in _CARDS.items() if charge.token.startswith(kind)), None)
    await tx.execute(
        insert(SandboxCharge)
        .values(
            payment_id=charge.payment_id,
            reference=f"sbx_{hashlib.sha256(charge.payment_id.encode()).hexdigest()[:20]}",
            amount=charge.amount,
            currency=charge.currency,
            outcome=outcome,
            reason=reason,
            brand="visa" if last4 else None,
            last4=last4,
        )
        .on_conflict_do_nothing()
    )
    query = select(SandboxCharge).where(SandboxCharge.payment_id == charge.payment_id)
    return (await tx.scalars(query.with_for_update())).one()


def _attempt(booked: SandboxCharge) -> Attempt:
    # Money that went back is no longer held: for whoever asks late, as good as never taken.
    outcome = Outcome.VOIDED if booked.outcome is Outcome.REFUNDED else booked.outcome
    return Attempt(
        outcome=outcome,
        reference=booked.reference,
        brand=booked.brand,
        last4=booked.last4,
        reason=booked.reason,
    )
