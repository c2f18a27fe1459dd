"""OAuth's endpoints: tokens for purposes, their revocation, and the keys to check them with."""

import time

import orjson
from fastapi import APIRouter, Request, Response

from privacy_gateway.api import arrival, published
from privacy_gateway.domain.intake.form import MalformedForm, parse_form
from privacy_gateway.domain.tokens.asked import InvalidRequest, OAuthRefusal
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.tokens.exchange import TokenExchange
from privacy_gateway.domain.tokens.introspection import Introspection
from privacy_gateway.domain.tokens.jose import TokenSigner
from privity_rest import Refusal, Unavailable

EXCHANGE = published.form(
    *("grant_type", "subject_token", "subject_token_type", "authorization_details"),
    requested_token_type={"type": "string"},
)
ONE_TOKEN = published.form("token", token_type_hint={"type": "string"})


def router(
    *, exchange: TokenExchange, introspection: Introspection, signer: TokenSigner
) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/token", openapi_extra=EXCHANGE)
    async def token(request: Request) -> Response:
        arrived = arrival.of(request)
        try:
            form = _form(arrived.body)
            granted = await exchange.exchange(form, request_id=arrived.request_id, now=time.time())
        except (OAuthRefusal, Unavailable) as refusal:
            return _oauth_error(refusal)
        return _json(200, granted)

    @routes.post("/v1/token/revocation", openapi_extra=ONE_TOKEN)
    async def revocation(request: Request) -> Response:
        arrived = arrival.of(request)
        try:
            await exchange.revoke(_token(arrived.body), now=time.time())
        except (OAuthRefusal, Unavailable) as refusal:
            return _oauth_error(refusal)
        return Response(status_code=200)

    @routes.post("/v1/token/introspection", openapi_extra=ONE_TOKEN)
    async def introspect(request: Request) -> Response:
        arrived = arrival.of(request)
        caller: Caller = request.scope["privity.caller"]
        if caller.kind not in {"service", "staff"}:
            challenge = {"WWW-Authenticate": "Bearer"}
            return _json(401, {"error": "invalid_client"}, challenge)
        try:
            said = introspection.of(_token(arrived.body), asker=caller, now=time.time())
        except (OAuthRefusal, Unavailable) as refusal:
            return _oauth_error(refusal)
        return _json(200, said)

    @routes.get("/.well-known/jwks.json")
    async def keys(request: Request) -> Response:
        arrival.of(request).cache_control = b"public, max-age=300"
        return Response(orjson.dumps(signer.jwks()), media_type="application/jwk-set+json")

    return routes


def _token(body: bytes) -> str:
    """The one parameter of revocation and introspection."""
    form = _form(body)
    if "token" not in form or not form.keys() <= {"token", "token_type_hint"}:
        raise InvalidRequest("token")
    return form["token"]


def _form(body: bytes) -> dict[str, str]:
    try:
        return parse_form(body)
    except MalformedForm:
        raise InvalidRequest("malformed_form") from None


def _oauth_error(refusal: Refusal) -> Response:
    """RFC 6749, section 5.2."""
    if isinstance(refusal, Unavailable):
        body = {"error": "temporarily_unavailable", "error_description": refusal.code}
        return _json(503, body, {"Retry-After": str(refusal.retry_after or 1)})
    return _json(400, {"error": refusal.code, "error_description": refusal.detail or ""})


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps(body), status_code=status, media_type="application/json", headers=headers
    )
