"""Another key for the blind index while customers register, sign in and are searched for.

Nobody is refused, nobody gets an address that somebody has, and a gateway that dies in the middle
leaves nothing undone.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from typing import Any

import asyncpg
import httpx

from privity_deploy.client import code_from_mail, eventually
from privity_deploy.environment import environment_of
from privity_deploy.stack import GATEWAY, Stack
from privity_postgres import for_driver

from .people import PASSWORD, Customer, Someone, Staff, Town

ROTATIONS = int(os.environ.get("PRIVITY_INDEX_ROTATIONS", "1"))  # `make torture` makes twelve
FORMS = """
SELECT count(*) FILTER (WHERE email_index_even IS NOT NULL) AS even,
count(*) FILTER (WHERE email_index_odd IS NOT NULL) AS odd,
count(*) FILTER (WHERE phone_index_even IS NULL AND phone_index_odd IS NULL) AS none FROM accounts
"""
COMING = "SELECT key_id FROM ring_keys WHERE state <> 'current'"
LOSE = "UPDATE accounts SET email_index_even = NULL, email_index_odd = NULL WHERE id = $1"
STEPS = "SELECT step, key_id, record_id FROM key_steps WHERE kind = 'blind_index' ORDER BY number"


def ask(stack: Stack, database: str, statement: str, *arguments: object) -> list[Any]:
    async def fetch() -> list[Any]:
        owner = await asyncpg.connect(for_driver(stack.places.owner_url(database)))
        try:
            return list(await owner.fetch(statement, *arguments))
        finally:
            await owner.close()

    return asyncio.run(fetch())


def command(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    process = stack.places.tables.process(GATEWAY)
    environment = environment_of(process, stack.places.look_up)
    return subprocess.Popen(
        [sys.executable, "-m", "privacy_gateway", "keys", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def not_found(url: str, customers: list[Customer]) -> list[str]:
    """Who cannot sign in with the address that they registered."""
    refused = []
    for customer in customers:
        credentials = {"email": customer.email, "password": PASSWORD}
        answer = Someone(url).ask("POST", "/v1/sessions", credentials)
        while answer.status == 503:
            time.sleep(0.2)
            answer = Someone(url).ask("POST", "/v1/sessions", credentials)
        if answer.status != 201:
            refused.append(customer.id)
    return refused


class Shoppers:
    """Sign in over and over, and register anew, until they are stopped."""

    def __init__(self, town: Town, customers: list[Customer]) -> None:
        self._town = town
        self._customers = customers
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._sign_in),
            threading.Thread(target=self._register),
        ]
        self.refused: list[str] = []
        self.asked = 0
        self.new: list[Customer] = []

    def __enter__(self) -> Shoppers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _sign_in(self) -> None:
        while not self._stopping.is_set():
            for customer in self._customers:
                try:
                    self.refused += not_found(self._town.shop.url, [customer])
                    self.asked += 1
                except httpx.TransportError:
                    time.sleep(0.05)  # the gateway was killed, and is on its way back

    def _register(self) -> None:
        while not self._stopping.is_set():
            try:
                self.new.append(self._town.customer(with_address=False))
            except (httpx.TransportError, AssertionError):
                time.sleep(0.05)


def begun(town: Town, email: str, known: str = "") -> tuple[str, str]:
    """A registration that waits for its code, and the code."""
    person = {"name": "Quirl Quark", "email": email, "phone": "+49302312501", "password": PASSWORD}
    registration = Someone(town.shop.url).post("/v1/registrations", person)

    def another() -> str | None:
        code = code_from_mail(town.shop.mail_url, email, within=30)
        return code if code != known else None

    return str(registration["id"]), str(eventually(another, within=30, what="the code"))


def confirmed(town: Town, registration: str, code: str) -> int:
    path = f"/v1/registrations/{registration}/confirmation"
    answer = Someone(town.shop.url).ask("POST", path, {"code": code})
    while answer.status == 503:
        time.sleep(0.2)
        answer = Someone(town.shop.url).ask("POST", path, {"code": code})
    return answer.status


def test_killed_in_the_middle_everybody_is_found_and_no_address_is_had_twice(
    stack: Stack, town: Town, staff: Staff, visitor: Someone
) -> None:
    customers = [town.customer(with_address=False) for _ in range(2)]
    forgotten = town.customer(with_address=False)
    # What it would look like if somebody were left out.
    ask(stack, "privity_customers", LOSE, forgotten.id)
    assert not_found(town.shop.url, [*customers, forgotten]) == [forgotten.id]
    chance = random.Random(ROTATIONS)
    for turn in range(ROTATIONS):
        email = f"quirl-twice-{turn}@example.org"
        early, early_code = begun(town, email)
        with Shoppers(town, customers) as shoppers:
            rotating = command(stack, "rotate", "blind-index", "--wait", "1")
            eventually(
                lambda: ask(stack, "privity_keys", COMING),
                within=30,
                what="a key that comes",
            )
            late, late_code = begun(town, email, known=early_code)
            time.sleep(chance.uniform(0, 1.5) if ROTATIONS > 1 else 0)
            stack.kill(GATEWAY)
            stack.restart(GATEWAY)
            said, _ = rotating.communicate(timeout=120)
        assert rotating.returncode == 0, said
        assert shoppers.refused == []
        assert shoppers.asked > 0
        assert confirmed(town, late, late_code) == 200
        assert confirmed(town, early, early_code) == 422
        customers += [*shoppers.new, forgotten]
        assert not_found(town.shop.url, customers) == []
        [forms] = ask(stack, "privity_customers", FORMS)
        assert forms["none"] == 0
        assert 0 in (forms["even"], forms["odd"])

    finding = staff.grant("support", "customer_search", "shop")
    found = finding.post("/v1/customers/searches", {"email": customers[0].email})
    assert [each["id"] for each in found["items"]] == [customers[0].id]
    assert not (stack.secrets.folder / "gateway" / "blind-index").exists()
    steps = eventually(lambda: _all_told(stack), within=30, what="records of every step")
    assert [step["step"] for step in steps[-3:]] == ["begun", "destroyed", "finished"]
    assert steps[-1]["key_id"] != steps[-2]["key_id"]


def _all_told(stack: Stack) -> list[Any]:
    steps = ask(stack, "privity_keys", STEPS)
    return steps if all(step["record_id"] for step in steps) else []
