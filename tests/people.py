"""Whoever stands in front of the shop, and what they do there: through the gateway, over HTTP."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from privity_deploy.client import EXCHANGE, JWT, code_from_mail, eventually
from privity_deploy.raw_search import RawSearch
from privity_deploy.seed import Shop, usual_work

PASSWORD = "Kutschenlaterne-im-Nebel-9"
# Syllables that no other text has: a part of a made-up person is recognised anywhere.
STEM = "zwetschgenst"
PATIENCE = 10
YOUNG_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole, and how long it took to get it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Of a problem document."""
        is_problem = self.headers.get("content-type", "").startswith("application/problem+json")
        return str(self.json["code"]) if is_problem else None


class Someone:
    """Who holds a token, a service's key, or nothing. Several threads may ask at once."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.headers = dict(headers or {})
        self.seen: list[bytes] = []
        """Every body that was answered, for those who search it."""
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.Client(base_url=url, timeout=40, trust_env=False, limits=limits)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """`content` is sent as it is, in place of `body`."""
        if body is not None:
            content = json.dumps(body).encode()
        sent = {**self.headers, **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        began = time.perf_counter()
        response = self._client.request(method, path, content=content, headers=sent)
        answer = Answer(
            response.status_code, response.headers, response.content, time.perf_counter() - began
        )
        self.seen.append(answer.body)
        return answer

    def get(self, path: str) -> Any:
        return self._insist("GET", path)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self._insist("POST", path, body, {"Idempotency-Key": key} if key else None)

    def put(self, path: str, body: Any) -> Any:
        return self._insist("PUT", path, body)

    def _insist(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The content of a success. Who is told to come back later does: a busy disk is no bug."""
        answer = self.ask(method, path, body, headers=headers)
        for _ in range(PATIENCE):
            if answer.status != 503:
                break
            time.sleep(float(answer.headers.get("retry-after", 1)))
            answer = self.ask(method, path, body, headers=headers)
        assert answer.status < 400, f"{answer.status} {answer.body!r}"
        return answer.json if answer.body else None

    def elsewhere(self, url: str) -> Someone:
        """The same token at another gateway."""
        return Someone(url, self.headers)


def new_key() -> str:
    return secrets.token_hex(16)


@dataclass(slots=True)
class Customer:
    """Somebody with an account, and what is known of them only to themselves."""

    who: Someone
    name: str
    email: str
    phone: str
    refresh_token: str
    id: str
    address: dict[str, Any] = field(default_factory=dict)
    """As it was answered when it was added."""

    @property
    def private(self) -> dict[str, str]:
        """Every value that nobody else may read, by label."""
        found = {"name": self.name, "e-mail": self.email, "phone": self.phone}
        for name in ("line1", "line2", "city"):
            if self.address.get(name):
                found[name] = self.address[name]
        return found


def search_for(values: Mapping[str, str]) -> RawSearch:
    """The same one for the same values: it takes longer to build than to use."""
    return _search_for(frozenset(values.items()))


@cache
def _search_for(values: frozenset[tuple[str, str]]) -> RawSearch:
    return RawSearch(dict(values))


class Town:
    """Makes people, each unlike every other."""

    _numbers = itertools.count(100)
    _lock = threading.Lock()

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def customer(self, *, with_address: bool = True) -> Customer:
        """Registers, confirms with the code from the mail, signs in."""
        with self._lock:
            number = next(self._numbers)
        word = secrets.token_hex(3)
        customer = self.register(
            name=f"Quirl{word} {STEM.capitalize()}ein",
            email=f"quirl{word}@{STEM}ein.example.org",
            phone=f"+493023125{number}",  # numbers that are kept for fiction
        )
        if with_address:
            customer.address = customer.who.post("/v1/addresses", address(customer), key=new_key())
        return customer

    def register(self, *, name: str, email: str, phone: str) -> Customer:
        visitor = Someone(self.shop.url)
        person = {"name": name, "email": email, "phone": phone, "password": PASSWORD}
        begun = visitor.post("/v1/registrations", person)
        code = code_from_mail(self.shop.mail_url, email, within=30)
        visitor.post(f"/v1/registrations/{begun['id']}/confirmation", {"code": code})
        return self.sign_in(Customer(visitor, name, email, phone, "", ""))

    def sign_in(self, customer: Customer) -> Customer:
        """The same person in a session of its own."""
        visitor = Someone(self.shop.url)
        session = visitor.post("/v1/sessions", {"email": customer.email, "password": PASSWORD})
        return Customer(
            Someone(self.shop.url, bearer(session["access_token"])),
            customer.name,
            customer.email,
            customer.phone,
            session["refresh_token"],
            session["account_id"],
            customer.address,
        )

    def delete_at_once(self, customer: Customer, **how: str) -> dict[str, Any]:
        """As it was answered; confirmed with the code from the mail."""
        wish = {"when": "at_once", **how}
        asked: dict[str, Any] = customer.who.post("/v1/my/deletion", wish)
        code = code_from_mail(self.shop.mail_url, customer.email, about="deleted at once")
        customer.who.post("/v1/my/deletion/confirmation", {"code": code})
        return asked

    def order(
        self, customer: Customer, product_id: str, *, key: str | None = None, **changes: Any
    ) -> dict[str, Any]:
        placed: dict[str, Any] = customer.who.post(
            "/v1/orders", order_of(customer, product_id, **changes), key=key or new_key()
        )
        return placed

    def case(self, customer: Customer, order_id: str, *, kind: str = "enquiry") -> str:
        """About an order."""
        enquiry = {
            "kind": kind,
            "message": f"Is it on its way to the {customer.address['line2']}?",
            "order_id": order_id,
        }
        opened = customer.who.post("/v1/cases", enquiry, key=new_key())
        return str(opened["id"])

    def ids_of(self, customer: Customer, order: dict[str, Any]) -> dict[str, str]:
        """What the parameters of routes stand for, as far as it follows from an order."""
        return {
            "subject_id": customer.id,
            "address_id": customer.address["id"],
            "order_id": order["id"],
            "payment_id": order["payments"][0]["id"],
            "product_id": order["lines"][0]["product_id"],
            "shipment_id": f"shp_{'0' * 26}",
            "case_id": f"cas_{'0' * 26}",
            "recipient_id": f"rcp_{'0' * 26}",
            "registration_id": f"reg_{'0' * 26}",
            "country": "DE",
            "name": "marketing",
        }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def address(customer: Customer) -> dict[str, Any]:
    word = customer.email[5:11]
    return {
        "recipient": customer.name,
        "phone": customer.phone,
        "line1": f"{STEM.capitalize()}eig {word}",
        "line2": f"Hinter der {STEM.capitalize()}ube {word}",
        "city": f"{STEM.capitalize()}adt {word}",
        "region": None,
        "postal_code": "10115",
        "country": "DE",
    }


def order_of(
    customer: Customer,
    product_id: str,
    *,
    quantity: int = 1,
    token: str = "tok_approve",
    address_id: str | None = None,
) -> dict[str, Any]:
    return {
        "lines": [{"product_id": product_id, "quantity": quantity}],
        "address_id": address_id or customer.address["id"],
        "payment": {"token": token},
    }


class Staff:
    """Those who work here. Whoever signed in once stays; each grant is a new one."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._identities: dict[str, dict[str, Any]] = {}
        self._grants: dict[tuple[str, str, str | None], tuple[float, Someone]] = {}
        self._lock = threading.Lock()

    def identity(self, username: str) -> dict[str, Any]:
        with self._lock:
            if username not in self._identities:
                credentials = {"username": username, "password": self.shop.password(username)}
                signed_in = Someone(self.shop.url).post("/v1/staff/sign-in", credentials)
                self._identities[username] = signed_in
        return self._identities[username]

    def forget(self, username: str) -> None:
        """Whose tokens were ended signs in anew, in a second in which none was."""
        with self._lock:
            self._identities.pop(username, None)
            for key in [key for key in self._grants if key[0] == username]:
                del self._grants[key]
        time.sleep(1.1)

    def ask_for(self, username: str, purpose: str, work: str | None = None) -> Answer:
        """The answer of the token exchange."""
        work = work or usual_work(purpose)
        return self._exchange(
            username, [{"type": "privity_access", "purpose": purpose, "work": work}]
        )

    def _exchange(self, username: str, details: list[dict[str, str]]) -> Answer:
        form = {
            "grant_type": EXCHANGE,
            "subject_token": self.identity(username)["identity_token"],
            "subject_token_type": JWT,
            "authorization_details": json.dumps(details),
        }
        began = time.perf_counter()
        response = httpx.post(f"{self.shop.url}/v1/token", data=form, timeout=30, trust_env=False)
        took = time.perf_counter() - began
        return Answer(response.status_code, response.headers, response.content, took)

    def in_an_emergency(self, username: str) -> Someone:
        details = [
            {
                "type": "privity_access",
                "purpose": "break_glass",
                "reason": "system_failure",
                "ticket": "INC-1",
            }
        ]
        answer = self._exchange(username, details)
        assert answer.status == 200, answer.body
        return Someone(self.shop.url, bearer(answer.json["access_token"]))

    def may(self, username: str, purpose: str, work: str) -> bool:
        """Whether this work is theirs for this purpose."""
        return self.ask_for(username, purpose, work).status != 400

    def grant(self, username: str, purpose: str, work: str | None = None) -> Someone:
        answer = self.ask_for(username, purpose, work)
        for _ in range(PATIENCE):
            if answer.status != 503:
                break
            time.sleep(1)
            answer = self.ask_for(username, purpose, work)
        assert answer.status == 200, answer.body
        return Someone(self.shop.url, bearer(answer.json["access_token"]))

    def young_grant(self, username: str, purpose: str, work: str | None = None) -> Someone:
        """The one of a moment ago, for who asks very often."""
        since, known = self._grants.get((username, purpose, work), (0.0, None))
        if known is None or time.monotonic() - since > YOUNG_SECONDS:
            known = self.grant(username, purpose, work)
            self._grants[username, purpose, work] = time.monotonic(), known
        return known

    def take_case(self, username: str, case_id: str) -> None:
        """From the queue; from then on the case is their work."""
        self.grant(username, "case_management").post(f"/v1/cases/{case_id}/assignment", {})

    def pack(self, order_id: str) -> None:
        """From a paid order to a shipment that is announced."""
        support = self.grant("support", "order_verification", f"order/{order_id}")
        support.post(f"/v1/orders/{order_id}/confirmation")
        self.grant("warehouse", "warehousing").post(f"/v1/orders/{order_id}/packing")


class Carrier:
    """The stand-in's controls."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def received(self) -> dict[str, list[dict[str, Any]]]:
        """What came in, by shipment."""
        found: dict[str, list[dict[str, Any]]] = {}
        for delivery in self._client.get("/deliveries").json()["deliveries"]:
            found.setdefault(delivery["payload"]["shipment"], []).append(delivery)
        return found

    def purges(self, shipment: str) -> list[dict[str, Any]]:
        """What it was told to purge of this shipment."""
        told = self._client.get("/deliveries").json()["purges"]
        return [each for each in told if each["shipment"] == shipment]

    @contextmanager
    def behaving(self, **how: Any) -> Iterator[None]:
        self._client.put("/behaviour", json=how).raise_for_status()
        try:
            yield
        finally:
            self._client.put("/behaviour", json={}).raise_for_status()


def shipment_of(who: Someone, order_id: str, *, within: float = 30) -> dict[str, Any]:
    """The order's shipment, once the adapter has heard of it."""

    def look() -> Any:
        answer = who.ask("GET", f"/v1/orders/{order_id}/shipment")
        return answer.json if answer.status == 200 else None

    found: dict[str, Any] = eventually(look, within=within, what=f"shipment of {order_id}")
    return found
