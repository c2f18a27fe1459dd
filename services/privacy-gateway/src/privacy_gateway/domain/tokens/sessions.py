"""Access tokens that go with a customer's session, and end with it; and grants with their work."""

import time
from collections.abc import Callable
from typing import Any

from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.jose import TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations


class CustomerSessions:
    def __init__(
        self,
        signer: TokenSigner,
        revocations: Revocations,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = signer
        self._revocations = revocations
        self._clock = clock

    def customer_session(self, *, subject: str, session: str) -> dict[str, Any]:
        """What the gateway adds to the answer of a sign-in or a refresh."""
        minted = minting.customer_token(
            self._signer, account=subject, session=session, now=self._clock()
        )
        return {
            "access_token": minted.token,
            "token_type": "Bearer",
            "expires_in": minted.expires_in,
        }

    async def end(self, session: str) -> None:
        await self._revocations.revoke("session", session, now=self._clock())

    async def end_work(self, work: str) -> None:
        """Grants for it that were issued until now. Whoever has it next asks for theirs later."""
        now = self._clock()
        await self._revocations.revoke("work", work, now=now, issued_until=int(now))
