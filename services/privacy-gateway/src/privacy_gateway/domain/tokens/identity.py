"""Who a staff member's identity token is of. It says who they are and opens nothing.

Our own sign-in issues such tokens, and so does the company's identity provider where there is one.
"""

from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.asked import InvalidRequest
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.provider_staff import ProviderStaff
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_database import Database


class Identities:
    def __init__(
        self,
        *,
        signer: TokenSigner,
        revocations: Revocations,
        database: Database,
        provider: ProviderStaff | None = None,
    ) -> None:
        self._signer = signer
        self._revocations = revocations
        self._database = database
        self._provider = provider

    async def of(
        self, untrusted_token: str, *, from_provider: bool, request_id: str, now: float
    ) -> Claims:
        """Raises InvalidRequest, AccessDenied for who has no role here or another since they signed
        in, and RevocationsUnknown while the token may have been ended."""
        self._revocations.require_fresh()
        if not from_provider:
            return self._own(untrusted_token, now=now)
        if self._provider is None:
            raise InvalidRequest("subject_token")
        return await self._provider.claims(untrusted_token, request_id=request_id, now=now)

    async def member(self, untrusted_token: str, *, now: float) -> StaffMember | None:
        """Nobody for who does not work here any more. Raises InvalidRequest, and Unavailable."""
        self._revocations.require_fresh()
        try:
            claims = self._own(untrusted_token, now=now)
        except InvalidRequest:
            if self._provider is None:
                raise
            found = await self._provider.member(untrusted_token, now=now)
        else:
            async with self._database.transaction() as tx:
                found = await directory.find(tx, claims.subject)
        return found if found is not None and found.active else None

    async def end(self, untrusted_token: str, *, now: float) -> None:
        """The sign-in, with every grant that came from it; what is no token is ended already."""
        try:
            session = self._verified(untrusted_token, now=now).session
        except InvalidToken:
            session = None
            if self._provider is not None:
                session = await self._provider.session(untrusted_token, now=now)
        if session is not None:
            await self._revocations.revoke("session", session, now=now)

    def _own(self, untrusted_token: str, *, now: float) -> Claims:
        try:
            claims = self._verified(untrusted_token, now=now)
        except InvalidToken:
            raise InvalidRequest("subject_token") from None
        fits = claims.kind == "staff_identity" and ids.is_id(claims.subject, "stf")
        if not fits or claims.session is None or self._revocations.covers(claims):
            raise InvalidRequest("subject_token")
        return claims

    def _verified(self, untrusted_token: str, *, now: float) -> Claims:
        return self._signer.verify(untrusted_token, audience=minting.EXCHANGE, now=now)
