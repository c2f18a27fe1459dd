"""A person in front of the shop: the gateway's API over HTTP, as an app or a staff tool uses it."""

import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"


class Refused(Exception):
    """The gateway said no; the text is its problem document, which holds no personal value."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class Person:
    """Whoever holds a token, or none."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
        self.url = url
        self.token = token

    def get(self, path: str) -> Any:
        return self._send("GET", path)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self._send("POST", path, body, {"Idempotency-Key": key} if key else {})

    def put(self, path: str, body: Any) -> Any:
        return self._send("PUT", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self._send("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self._send("DELETE", path)

    def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """The answer's JSON. Raises Refused."""

        def ask() -> httpx.Response:
            return self._client.request(method, path, json=body, headers=headers)

        return _answer(ask, again=method != "POST" or bool(headers))


# Said before anything was done, so that asking again cannot do it twice.
_NOTHING_DONE = {"keys_unavailable", "audit_store_unavailable", "audit_store_full"}


def _answer(ask: Callable[[], httpx.Response], *, again: bool, tries: int = 8) -> Any:
    """Asks again when the shop says to try later, as a good client does. Raises Refused."""
    while True:
        response = ask()
        content: Any = response.json() if response.content else None
        if not response.is_error:
            return content
        tries -= 1
        harmless = again or content.get("code") in _NOTHING_DONE
        if response.status_code != 503 or not harmless or not tries:
            raise Refused(response.status_code, content)
        time.sleep(float(response.headers.get("Retry-After", 1)))


def new_key() -> str:
    return secrets.token_hex(16)


def grant(url: str, *, username: str, password: str, purpose: str, work: str) -> Person:
    """A staff member with a token for one purpose and one piece of work."""
    identity = Person(url).post("/v1/staff/sign-in", {"username": username, "password": password})
    details = [{"type": "privity_access", "purpose": purpose, "work": work}]
    form = {
        "grant_type": EXCHANGE,
        "subject_token": identity["identity_token"],
        "subject_token_type": JWT,
        "authorization_details": json.dumps(details),
    }

    def ask() -> httpx.Response:
        return httpx.post(f"{url}/v1/token", data=form, timeout=30, trust_env=False)

    return Person(url, _answer(ask, again=True)["access_token"])


def code_from_mail(mail_url: str, address: str, *, about: str = "", within: float = 20) -> str:
    """The one-time code in the newest mail to `address`, of those whose subject says `about`."""

    def read() -> str | None:
        found: Any = httpx.get(
            f"{mail_url}/messages", params={"to": address}, timeout=5, trust_env=False
        ).json()
        for message in reversed([m for m in found["messages"] if about in m["subject"]]):
            codes: list[str] = re.findall(r"\b[0-9]{8}\b", message["text"])
            if codes:
                return codes[0]
        return None

    return eventually(read, within=within, what=f"a mail at {mail_url}")


def eventually(look: Callable[[], T | None], *, within: float, what: str) -> T:
    """Looks until there is something. Raises TimeoutError."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"no {what} within {within:.0f} s")


def open_account(
    url: str, mail_url: str, *, name: str, email: str, phone: str, password: str
) -> Person:
    """Registers, confirms with the code from the mail, signs in."""
    visitor = Person(url)
    registration = visitor.post(
        "/v1/registrations", {"name": name, "email": email, "phone": phone, "password": password}
    )
    code = code_from_mail(mail_url, email)
    visitor.post(f"/v1/registrations/{registration['id']}/confirmation", {"code": code})
    return sign_in(url, email=email, password=password)


def sign_in(url: str, *, email: str, password: str) -> Person:
    session = Person(url).post("/v1/sessions", {"email": email, "password": password})
    return Person(url, session["access_token"])
