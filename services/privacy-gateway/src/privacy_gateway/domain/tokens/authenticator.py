"""Who is asking: from a request's headers to a caller, or a refusal."""

import hashlib
import hmac
from collections.abc import Mapping

from privacy_gateway.domain.tokens import caller as callers
from privacy_gateway.domain.tokens.cache import TokenCache, Verified
from privacy_gateway.domain.tokens.caller import VISITOR, Caller
from privacy_gateway.domain.tokens.jose import Claims, InvalidToken, TokenSigner
from privacy_gateway.domain.tokens.minting import ACCESS
from privacy_gateway.domain.tokens.revocation import Revocations
from privity_rest import Unauthenticated


class Authenticator:
    """Tokens of customers and staff, keys of services; nothing at all is a visitor."""

    def __init__(
        self,
        *,
        signer: TokenSigner,
        revocations: Revocations,
        service_keys: Mapping[str, str],
        cache: TokenCache | None = None,
    ) -> None:
        self._signer = signer
        self._revocations = revocations
        self._cache = TokenCache() if cache is None else cache
        self._generation = signer.generation
        self._services = {
            name.encode(): (_digest(key.encode()), callers.service(name))
            for name, key in service_keys.items()
        }

    def authenticate(self, headers: Mapping[bytes, bytes], *, now: float) -> Caller:
        """Takes the headers in lower case, each once.

        Raises Unauthenticated for whatever was presented and does not hold, and RevocationsUnknown
        while a token cannot be known to be still good.
        """
        authorization = headers.get(b"authorization")
        service = headers.get(b"privity-service")
        if authorization is None:
            if service is not None:
                raise Unauthenticated
            return VISITOR
        if authorization[:7].lower() != b"bearer ":
            raise Unauthenticated
        untrusted = authorization[7:]
        if service is not None:
            return self._service(service, untrusted)
        return self._token(untrusted, now)

    def _service(self, name: bytes, untrusted_key: bytes) -> Caller:
        expected, caller = self._services.get(name, (_NOBODY, None))
        if not hmac.compare_digest(_digest(untrusted_key), expected) or caller is None:
            raise Unauthenticated
        return caller

    def _token(self, untrusted: bytes, now: float) -> Caller:
        revocations = self._revocations
        revocations.require_fresh()
        if self._generation != self._signer.generation:
            self._generation = self._signer.generation
            self._cache.clear()
        key = self._cache.key(untrusted)
        entry = self._cache.get(key)
        if entry is None:
            claims = self._signer.verify(untrusted, audience=ACCESS, now=now)
            entry = Verified(_caller(claims), claims, generation=-1)
            self._cache.put(key, entry)
        if entry.claims.expires_at <= now:
            self._cache.drop(key)
            raise InvalidToken
        if entry.generation != revocations.generation:
            if revocations.covers(entry.claims):
                self._cache.drop(key)
                raise InvalidToken
            entry.generation = revocations.generation
        return entry.caller


def _caller(claims: Claims) -> Caller:
    """Raises InvalidToken for claims that do not make a caller, whoever signed them."""
    if claims.kind == "customer":
        fits = claims.subject.startswith("cus_") and claims.purpose == "self_service"
        fits = fits and claims.session is not None and claims.role is None
    else:
        fits = claims.kind == "staff" and claims.subject.startswith("stf_")
        fits = fits and claims.role is not None and claims.work is not None
        bound = claims.work_subject is not None or claims.work_scopes is not None
        fits = fits and (bound or _is_unbound(claims.work or ""))
    if not fits:
        raise InvalidToken
    return Caller(
        kind=claims.kind,
        actor=claims.subject,
        subject=claims.subject if claims.kind == "customer" else None,
        role=claims.role or "customer",
        purpose=claims.purpose,
        work=claims.work,
        session=claims.session,
        token_id=claims.token_id,
        expires_at=claims.expires_at,
        categories=claims.categories,
        work_subject=claims.work_subject,
        work_scopes=claims.work_scopes,
    )


def _is_unbound(work: str) -> bool:
    """Work that names no customer, by what it is."""
    return work == "shop" or work.startswith("break-glass/")


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


_NOBODY = b"\0" * 32
