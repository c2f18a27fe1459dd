"""What the shop asks of whoever moves the money."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from orders.models import Outcome, Reason
from privity_rest import Unavailable


class OutcomeUnknown(Unavailable):
    """The provider may or may not have done it. Asking again with the same payment tells."""

    code = "payment_outcome_unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """One payment as the provider gets to know it. Its id is the provider's idempotency key."""

    payment_id: str
    amount: int
    currency: str
    token: str
    reference: str | None = None  # the provider's own name for it, once we know it


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a payment stands with the provider: approved, declined, challenge or voided."""

    outcome: Outcome
    reference: str | None
    brand: str | None = None
    last4: str | None = None
    reason: Reason | None = None
    challenge_url: str | None = None


class PaymentProvider(Protocol):
    """Every method may be called again with the same payment, and raises OutcomeUnknown."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def charge(self, charge: Charge) -> Attempt:
        """Takes the money, once, however often it is asked."""

    async def after_challenge(self, charge: Charge, *, result: str | None) -> Attempt:
        """How the payment stands now that the customer is back from the challenge."""

    async def release(self, charge: Charge) -> Outcome:
        """Sees to it that the money is the customer's: `voided` when it was never taken (and
        never will be), `refunded` when it was."""
