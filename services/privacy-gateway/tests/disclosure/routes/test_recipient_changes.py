"""Every change to the register is on record before it is made, by those who may make it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select

from privacy_gateway.models import Recipient, WebhookSecret
from privity_contracts import ids

URL = "/v1/recipients"
TODAY = datetime.now(UTC).date()
ENTRY = {"name": "Swift Parcel", "kind": "delivery", "endpoint": "https://hooks.swift.example/in"}
TERMS = {
    "document_sha256": "ab" * 32,
    "signed_on": str(TODAY),
    "valid_from": str(TODAY),
    "valid_until": str(TODAY + timedelta(days=365)),
    "purposes": ["delivery"],
    "categories": ["user.name", "user.contact.address.city"],
    "days_until_purge": 30,
}


def key_members(**changes: Any) -> dict[str, Any]:
    members = ECKey.generate_key("P-256").as_dict(private=False)
    return {name: members[name] for name in ("kty", "crv", "x", "y")} | {"kid": "k-1"} | changes


CHANGES = [
    ("PUT", "status", {"status": "suspended"}, "recipient_suspended"),
    ("PUT", "status", {"status": "active"}, "recipient_activated"),
    ("PUT", "endpoint", {"endpoint": "https://new.swift.example/"}, "endpoint_changed"),
    ("PUT", "key", {"public_key": key_members()}, "public_key_changed"),
    ("PUT", "key", {"public_key": None}, "public_key_removed"),
    ("POST", "secrets", {"use": "webhook"}, "webhook_secret_rotated"),
    ("POST", "secrets", {"use": "callback"}, "callback_secret_rotated"),
    ("POST", "agreements", TERMS, "agreement_added"),
]


class TestChanges:
    @pytest.mark.parametrize(("method", "what", "body", "reason"), CHANGES)
    async def test_every_change_is_on_record(self, gateway, method, what, body, reason) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])

        answer = await gateway.send("owner", method, f"{URL}/{added['id']}/{what}", body)

        assert answer.is_success
        (record,) = await gateway.records(answer)
        assert (record["reason"], record["recipient"]) == (reason, added["id"])
        assert record["actor"].startswith("t1:")

    @pytest.mark.parametrize(("method", "what", "body", "reason"), CHANGES)
    async def test_what_cannot_be_recorded_is_not_changed(
        self, gateway, method, what, body, reason
    ) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        before = await self.rows(gateway, added["id"])
        await gateway.means.audit.close()

        answer = await gateway.send("owner", method, f"{URL}/{added['id']}/{what}", body)

        assert answer.status_code == 503
        assert await self.rows(gateway, added["id"]) == before

    async def rows(self, gateway, recipient_id: str) -> list[Any]:
        async with gateway.means.database.transaction() as tx:
            recipient = (
                await tx.execute(select(*Recipient.__table__.c).where(Recipient.id == recipient_id))
            ).one()
            secrets = (
                await tx.execute(
                    select(*WebhookSecret.__table__.c).where(
                        WebhookSecret.recipient_id == recipient_id
                    )
                )
            ).all()
        return [recipient, sorted(secrets)]

    @pytest.mark.parametrize(("method", "what", "body", "reason"), CHANGES)
    async def test_a_recipient_who_is_not_there_cannot_be_changed(
        self, gateway, method, what, body, reason
    ) -> None:
        answer = await gateway.send("owner", method, f"{URL}/{ids.mint('rcp')}/{what}", body)

        assert (answer.status_code, answer.json()["code"]) == (404, "recipient_not_found")
        assert await gateway.records(answer) == []

    async def test_what_is_no_recipients_id_is_not_repeated(self, gateway) -> None:
        for method, what, body in (("GET", "", None), ("PUT", "/status", {"status": "active"})):
            answer = await gateway.send("owner", method, f"{URL}/Erika.Beispiel{what}", body)

            assert 400 <= answer.status_code < 500
            assert "Erika" not in answer.text


DOORS = [
    ("GET", "", None),
    ("POST", "", ENTRY),
    ("GET", "/rcp_x", None),
    *((method, f"/rcp_x/{what}", body) for method, what, body, _ in CHANGES),
]


class TestStrangers:
    @pytest.mark.parametrize(("method", "path", "body"), DOORS)
    @pytest.mark.parametrize(
        "who", ["owner for another purpose", "support", "logistics-adapter", "customers"]
    )
    async def test_the_register_is_open_for_partner_management_only(
        self, gateway, who, method, path, body
    ) -> None:
        answer = await gateway.send(who, method, f"{URL}{path}", body)

        assert (answer.status_code, answer.json()["code"]) == (403, "purpose_not_allowed")
        (record,) = await gateway.records(answer)
        assert (record["kind"], record["decision"]) == ("refusal", "refuse")

    @pytest.mark.parametrize(("method", "path", "body"), DOORS)
    async def test_a_visitor_has_to_sign_in(self, gateway, method, path, body) -> None:
        answer = await gateway.send("visitor", method, f"{URL}{path}", body)

        assert answer.status_code == 401
        assert await gateway.records(answer) == []
