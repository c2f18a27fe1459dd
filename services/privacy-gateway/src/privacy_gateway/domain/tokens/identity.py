"""Who a staff member's identity token is of. It says who they are and opens nothing."""

from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.asked import InvalidRequest
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_database import Database


class Identities:
    def __init__(
        self, *, signer: TokenSigner, revocations: Revocations, database: Database
    ) -> None:
        self._signer = signer
        self._revocations = revocations
        self._database = database

    def claims(self, untrusted_token: str, *, now: float) -> Claims:
        """Raises InvalidRequest, and RevocationsUnknown while it may have been ended."""
        self._revocations.require_fresh()
        try:
            claims = self._signer.verify(untrusted_token, audience=minting.EXCHANGE, now=now)
        except InvalidToken:
            raise InvalidRequest("subject_token") from None
        fits = claims.kind == "staff_identity" and ids.is_id(claims.subject, "stf")
        if not fits or claims.session is None or self._revocations.covers(claims):
            raise InvalidRequest("subject_token")
        return claims

    async def member(self, untrusted_token: str, *, now: float) -> StaffMember | None:
        """Nobody for who does not work here any more. Raises as `claims`."""
        claims = self.claims(untrusted_token, now=now)
        async with self._database.transaction() as tx:
            found = await directory.find(tx, claims.subject)
        return found if found is not None and found.active else None
