"""From a payment that has begun to one that is decided. The provider is asked between two
transactions, never inside one; whatever happens there, asking again is safe.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import exists, select

from orders.clients.payment_provider import Attempt, Charge, OutcomeUnknown, PaymentProvider
from orders.domain import payment as payments
from orders.models import Outcome, Payment
from privity_database import Database
from privity_jobs import Job


class Settlement:
    """Holds the provider and who waits for it."""

    def __init__(
        self,
        database: Database,
        provider: PaymentProvider,
        *,
        timeout_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._provider = provider
        self._clock = clock
        self._timeout = timeout_seconds
        # Longer than a request asks: then all who wait hear the same as the one who asked.
        self._patience = timeout_seconds + 2
        self._polls: dict[str, asyncio.Task[None]] = {}

    async def charge(self, charge: Charge) -> None:
        """Within a request: a payment that stays pending is the job's."""
        try:
            async with asyncio.timeout(self._timeout):
                attempt = await self._provider.charge(charge)
        except (OutcomeUnknown, TimeoutError):
            return
        await self._record(charge, attempt)

    async def after_challenge(self, charge: Charge, *, result: str | None) -> None:
        """Raises OutcomeUnknown."""
        try:
            async with asyncio.timeout(self._timeout):
                attempt = await self._provider.after_challenge(charge, result=result)
        except TimeoutError:
            raise OutcomeUnknown(f"no answer about {charge.payment_id}") from None
        await self._record(charge, attempt)

    async def settle(self, job: Job) -> None:
        """The job behind a payment: for requests that did not come to their end."""
        charge = await self._in_state(job.payload["payment_id"], Outcome.PENDING)
        if charge is None:
            return
        attempt = await self._provider.charge(charge)
        async with self._database.transaction() as tx:
            await payments.record(tx, charge.payment_id, attempt, now=self._clock())
            await job.finish(tx)

    async def release(self, job: Job) -> None:
        charge = await self._in_state(job.payload["payment_id"], Outcome.RELEASING)
        if charge is None:
            return
        outcome = await self._provider.release(charge)
        async with self._database.transaction() as tx:
            await payments.released(tx, charge.payment_id, outcome, now=self._clock())
            await job.finish(tx)

    async def look_again(self, order_id: str) -> None:
        """Asks about a challenge whose customer never came back, as far as there is an answer."""
        async with self._database.transaction() as tx:
            payment = await tx.scalar(
                select(Payment).where(
                    Payment.order_id == order_id, Payment.outcome == Outcome.CHALLENGE
                )
            )
        if payment is None:
            return
        try:
            await self.after_challenge(payments.charge_of(payment), result=None)
        except OutcomeUnknown:
            # The order ends all the same; if the money was taken, it goes back.
            return

    async def decided(self, order_id: str) -> None:
        """Returns when no payment of the order is pending, or when patience ends.

        However many wait in this process, one of them asks the database.
        """
        poll = self._polls.get(order_id)
        if poll is None:
            poll = asyncio.create_task(self._poll(order_id))
            self._polls[order_id] = poll
            poll.add_done_callback(lambda _: self._polls.pop(order_id, None))
        await asyncio.shield(poll)

    async def _poll(self, order_id: str) -> None:
        pending = exists().where(Payment.order_id == order_id, Payment.outcome == Outcome.PENDING)
        deadline = asyncio.get_running_loop().time() + self._patience
        pause = 0.02
        while True:
            async with self._database.transaction() as tx:
                if not await tx.scalar(select(pending)):
                    return
            if asyncio.get_running_loop().time() + pause > deadline:
                return
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
            pause = min(0.5, pause * 1.5)

    async def _in_state(self, payment_id: str, outcome: Outcome) -> Charge | None:
        async with self._database.transaction() as tx:
            payment = await tx.get(Payment, payment_id)
            if payment is None or payment.outcome is not outcome:
                return None
            return payments.charge_of(payment)

    async def _record(self, charge: Charge, attempt: Attempt) -> None:
        async with self._database.transaction() as tx:
            await payments.record(tx, charge.payment_id, attempt, now=self._clock())
