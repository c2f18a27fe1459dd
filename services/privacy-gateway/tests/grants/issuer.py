"""A small identity provider: a discovery document, a key set, and whatever tokens a test wants."""

import contextlib
import time
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT = "privity-staff"


class Issuer:
    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, RSAKey | ECKey] = {}
        self.published: list[dict[str, Any]] = []
        self.discovery: dict[str, Any] = {}
        self.asked: list[str] = []
        self.answers: dict[str, web.Response] = {}
        """By path, in place of the document."""

    def add(self, kid: str, key: RSAKey | ECKey, **members: Any) -> None:
        self.keys[kid] = key
        self.published.append({**key.as_dict(private=False), "kid": kid, **members})

    def remove(self, kid: str) -> None:
        self.published = [key for key in self.published if key["kid"] != kid]

    def token(
        self, kid: str = "rsa", *, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """`...` leaves a claim out."""
        key, now = self.keys[kid], int(time.time())
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        said = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "248289761001",
            "iat": now,
            "exp": now + 3600,
            "groups": ["support-north"],
        } | claims
        said = {name: value for name, value in said.items() if value is not ...}
        head = {"alg": algorithm, "kid": kid, "typ": "JWT"} | (header or {})
        head = {name: value for name, value in head.items() if value is not ...}
        return jwt.encode(head, said, key, algorithms=[head["alg"]])

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path in self.answers:
            return self.answers[request.path]
        if request.path == "/.well-known/openid-configuration":
            return web.json_response(self.discovery)
        return web.json_response({"keys": self.published})

    @contextlib.asynccontextmanager
    async def listening(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        [(_, port)] = runner.addresses
        self.url = f"http://127.0.0.1:{port}"
        self.discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        try:
            yield self
        finally:
            await runner.cleanup()

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")
