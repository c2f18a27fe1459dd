"""A customer's deletion at once, at a whole gateway: the letters leave by its own mail, its jobs
run it, and the receipt says so."""

import asyncio
import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from privity_contracts import ids

from .conftest import SERVICES

MAILBOX = "anna@customers.example"
CLASSES = dict.fromkeys(
    ("user.name", "user.contact.email", "user.contact.phone_number"), "identity"
)


@pytest.fixture
async def provider(gateway, mail_sink):
    """Who runs the mail server, with an agreement."""
    owner = await gateway.grant("owner", "partner_management", "shop")
    entry = {
        "name": "Example Mail",
        "kind": "mail",
        "endpoint": f"smtp://127.0.0.1:{mail_sink.port}",
    }
    keyed = owner | {"Idempotency-Key": ids.mint("key")}
    added = await gateway.client.post("/v1/recipients", headers=keyed, json=entry)
    assert added.status_code == 201, added.text
    today = datetime.now(UTC).date()
    terms = {
        "document_sha256": hashlib.sha256(added.json()["id"].encode()).hexdigest(),
        "signed_on": str(today),
        "valid_from": str(today),
        "valid_until": str(today + timedelta(days=30)),
        "purposes": ["account_opening"],
        "categories": ["user.contact.email", "user.authorization.code"],
        "days_until_purge": 30,
    }
    path = f"/v1/recipients/{added.json()['id']}/agreements"
    signed = await gateway.post(path, owner, terms)
    assert signed.status_code == 201, signed.text


@pytest.fixture
async def anna(house, sealing):
    """A customer whom the customers service knows, and of whom nobody else holds anything."""
    subject = ids.mint("cus")
    values = [
        ("user.name", "Anna Beispiel"),
        ("user.contact.email", MAILBOX),
        ("user.contact.phone_number", "+4930123456"),
    ]
    sealed = await sealing.seal(subject, f"account/{subject}", values, classes=CLASSES)
    profile = dict(zip(("name", "email", "phone"), sealed, strict=True))
    house.says("customers", "/v1/profile", {"subject_id": subject, **profile})
    for service in SERVICES:
        house.says(service, "/v1/holdings", {"items": []}, method="POST")
        house.says(service, "/v1/holdings/drops", {"rows": 0}, method="POST")
    return subject


async def eventually(look):
    async with asyncio.timeout(30):
        while not (found := await look()):  # noqa: ASYNC110  # other tasks' doing
            await asyncio.sleep(0.05)
    return found


async def test_the_code_comes_by_mail_and_the_last_letter_before_the_key_goes(
    gateway, provider, anna, as_customer, mail_sink, house
):
    headers = as_customer(anna)

    def letters(subject):
        mine = [mail for mail in mail_sink.taken if mail["To"] == MAILBOX]
        return [mail for mail in mine if mail["Subject"] == subject]

    async def code():
        found = letters("Confirm that your data is deleted at once")
        return found and re.search(r"\b[0-9]{8}\b", found[0].get_payload())

    asked = await gateway.post("/v1/my/deletion", headers, {"when": "at_once"})
    assert asked.status_code == 202, asked.text
    right = (await eventually(code))[0]
    wrong = f"{(int(right) + 1) % 10**8:08d}"
    path = "/v1/my/deletion/confirmation"
    assert (await gateway.post(path, headers, {"code": wrong})).status_code == 422
    assert (await gateway.post(path, headers, {"code": right})).status_code == 200

    async def done():
        wanted = {name: asked.json()[name] for name in ("id", "receipt_key")}
        answer = await gateway.post("/v1/deletions/receipts", {}, wanted)
        return answer.json() if answer.json()["state"] == "done" else None

    assert (await eventually(done))["receipt"]
    assert len(letters("Your data is being deleted")) == 1
    asking = [headers for _, _, path, headers, _ in house.asked if path == "/v1/profile"]
    assert {each["Privity-Subject"] for each in asking} == {anna}
    assert (await gateway.get("/v1/my/deletion", headers)).status_code == 401
