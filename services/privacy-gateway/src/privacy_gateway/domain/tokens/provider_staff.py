"""Staff who sign in at the company's identity provider.

They stand in the directory once they came. What their groups give is brought up to date with each
token; when it changes, everything issued before ends, and they sign in again.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.staff.file import Group
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.asked import AccessDenied, InvalidRequest
from privacy_gateway.domain.tokens.id_token import IdToken, IdTokens
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_database import Database

PURPOSE = "authentication"


class NoRole(AccessDenied):
    """The provider knows them, and no group of theirs works here."""

    def __init__(self) -> None:
        super().__init__("no_role")


class RolesChanged(AccessDenied):
    """Since they signed in; what was issued until now is ended."""

    def __init__(self) -> None:
        super().__init__("roles_changed")


class ProviderStaff:
    def __init__(
        self,
        tokens: IdTokens,
        *,
        groups: Mapping[str, Group],
        revocations: Revocations,
        database: Database,
        audit: AuditLog,
        policy: Callable[[], Policy],
        clock: Callable[[], float],
    ) -> None:
        """`groups` of the provider, with what each of them gives."""
        self._tokens = tokens
        self._groups = groups
        self._revocations = revocations
        self._database = database
        self._audit = audit
        self._policy = policy
        self._clock = clock

    async def claims(self, untrusted_token: str, *, request_id: str, now: float) -> Claims:
        """Who signed in, with the directory brought to what their groups give.

        Raises InvalidRequest, NoRole, RolesChanged, and Unavailable.
        """
        token, member = await self._known(untrusted_token, now=now)
        roles, sites = self._given(token)
        if member is not None and _is_as_given(member, roles, sites):
            return _claims(untrusted_token, token, member)
        if member is None and not roles:
            await self._audit.record([self._access("visitor", "no_role", request_id)])
            raise NoRole
        async with self._database.transaction() as tx:
            brought = await self._brought_up(tx, self._username(token), roles, sites)
            change = "staff_provisioned" if member is None else "staff_roles_changed"
            access = self._access(brought.id, change, request_id)
            await self._audit.record([replace(access, kind="policy", decision="allow")])
        if member is not None:
            raise RolesChanged
        return _claims(untrusted_token, token, brought)

    async def member(self, untrusted_token: str, *, now: float) -> StaffMember | None:
        """As the directory has them by now. Raises InvalidRequest, and Unavailable."""
        _, member = await self._known(untrusted_token, now=now)
        return member

    async def session(self, untrusted_token: str, *, now: float) -> str | None:
        """Of a token that is good, to be ended. Raises Unavailable."""
        try:
            await self._tokens.verify(untrusted_token, now=now)
        except InvalidToken:
            return None
        return _session(untrusted_token)

    async def _known(
        self, untrusted_token: str, *, now: float
    ) -> tuple[IdToken, StaffMember | None]:
        """Raises InvalidRequest, also for a token that was ended."""
        try:
            token = await self._tokens.verify(untrusted_token, now=now)
        except InvalidToken:
            raise InvalidRequest("subject_token") from None
        async with self._database.transaction() as tx:
            member = await directory.find_by_username(tx, self._username(token))
        if member is not None and self._revocations.covers(_claims(untrusted_token, token, member)):
            raise InvalidRequest("subject_token")
        return token, member

    async def _brought_up(
        self, tx: AsyncSession, username: str, roles: list[str], sites: list[str]
    ) -> StaffMember:
        member = await directory.find_by_username(tx, username)
        if member is not None:
            await directory.hold(tx, member.id)
        return await directory.ensure_staff(
            tx,
            username=username,
            password_hash=None,
            roles=roles,
            sites=sites,
            source="openid",
            now=self._clock(),
        )

    def _username(self, token: IdToken) -> str:
        # With whose it is: somebody of the same name at another provider is somebody else.
        return f"{self._tokens.issuer}|{token.subject}"

    def _given(self, token: IdToken) -> tuple[list[str], list[str]]:
        """In the order in which the file lists the groups: the first role that may, is taken."""
        theirs = [group for name, group in self._groups.items() if name in token.groups]
        roles = dict.fromkeys(role for group in theirs for role in group.roles)
        sites = dict.fromkeys(site for group in theirs for site in group.sites)
        return list(roles), list(sites)

    def _access(self, actor: str, reason: str, request_id: str) -> Access:
        policy = self._policy()
        return Access(
            kind="session",
            subject=None,
            actor=actor,
            actor_kind="visitor" if actor == "visitor" else "staff",
            role="none",
            purpose=PURPOSE,
            clauses=policy.clauses(PURPOSE),
            policy=policy.version,
            policy_hash=policy.hash,
            service="privacy-gateway",
            scope=None,
            resource="staff.identity_provider",
            decision="refuse",
            reason=reason,
            request_id=request_id,
        )


def _is_as_given(member: StaffMember, roles: list[str], sites: list[str]) -> bool:
    return member.listed and member.given_roles == roles and member.sites == sites


def _claims(untrusted_token: str, token: IdToken, member: StaffMember) -> Claims:
    """As of an identity token of our own, to be held against what was revoked."""
    session = _session(untrusted_token)
    return Claims(
        issuer="",
        audience=minting.EXCHANGE,
        subject=member.id,
        token_id=session,
        purpose=minting.NO_PURPOSE,
        kind="staff_identity",
        expires_at=token.expires_at,
        issued_at=token.issued_at,
        session=session,
    )


def _session(untrusted_token: str) -> str:
    """Each token of the provider is a sign-in of its own."""
    # Without the signature: of one token there can be two that verify.
    signed = untrusted_token.rpartition(".")[0]
    return f"ses_{ids.encode(hashlib.sha256(signed.encode()).digest()[:16])}"
