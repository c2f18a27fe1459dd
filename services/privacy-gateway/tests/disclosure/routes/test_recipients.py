"""The register of recipients: kept by those who may, changed on record, secrets shown once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from privacy_gateway.domain.recipients import webhook_secrets
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


def errors(answer) -> list[tuple[str, str]]:
    return [(each["field"], each["code"]) for each in answer.json()["errors"]]


class TestRegistering:
    async def test_a_recipient_is_registered_with_secrets_that_are_shown_once(
        self, gateway
    ) -> None:
        answer = await gateway.send("owner", "POST", URL, ENTRY, idempotency_key="a" * 20)
        added = answer.json()
        shown = await gateway.send("owner", "GET", f"{URL}/{added['id']}")

        assert answer.status_code == 201
        assert added["webhook_secret"].startswith("whsec_")
        assert added["callback_secret"].startswith("whsec_")
        assert added["webhook_secret"] != added["callback_secret"]
        assert shown.json() == {
            name: value for name, value in added.items() if not name.endswith("_secret")
        }
        assert (shown.json()["status"], shown.json()["endpoint_gone_at"]) == ("active", None)
        assert "whsec_" not in shown.text

    async def test_it_is_on_record(self, gateway) -> None:
        answer = await gateway.send("owner", "POST", URL, ENTRY, idempotency_key="record-1")

        (record,) = await gateway.records(answer)
        assert (record["kind"], record["reason"]) == ("policy", "recipient_registered")
        assert (record["recipient"], record["purpose"]) == (
            answer.json()["id"],
            "partner_management",
        )

    async def test_a_retry_meets_the_same_recipient_and_no_secret(self, gateway) -> None:
        first = await gateway.send("owner", "POST", URL, ENTRY, idempotency_key="retry-01")
        again = await gateway.send("owner", "POST", URL, ENTRY, idempotency_key="retry-01")
        other = await gateway.send(
            "owner", "POST", URL, ENTRY | {"name": "Slow Parcel"}, idempotency_key="retry-01"
        )

        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert "whsec_" not in again.text
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    async def test_a_hundred_retries_at_once_register_one_recipient(self, gateway) -> None:
        answers = await asyncio.gather(
            *(
                gateway.send("owner", "POST", URL, ENTRY, idempotency_key="at-once-1")
                for _ in range(100)
            )
        )

        made = [each for each in answers if each.status_code == 201]
        assert len(made) == 1
        assert {each.json()["id"] for each in answers} == {made[0].json()["id"]}
        async with gateway.means.database.transaction() as tx:
            rows = await webhook_secrets.of(tx, made[0].json()["id"])
        assert len(rows) == 2

    async def test_without_a_key_for_retries_nothing_is_registered(self, gateway) -> None:
        for key in ({}, {"idempotency_key": "short"}, {"idempotency_key": "a b c d e f"}):
            answer = await gateway.send("owner", "POST", URL, ENTRY, **key)

            assert answer.status_code == 400

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"name": "x@y.example"}, [("/name", "string_pattern_mismatch")]),
            ({"name": "Anna 030 1234567"}, [("/name", "value_error")]),
            ({"name": ""}, [("/name", "string_pattern_mismatch")]),
            ({"name": "a" * 81}, [("/name", "string_pattern_mismatch")]),
            ({"kind": "marketing"}, [("/kind", "literal_error")]),
            ({"note": "call Anna"}, [("/note", "unknown_field")]),
            ({"endpoint": "http://hooks.swift.example/"}, [("/endpoint", "not_an_https_url")]),
            ({"endpoint": "https://169.254.169.254/"}, [("/endpoint", "not_a_public_name")]),
            ({"endpoint": "https://x.example:22/"}, [("/endpoint", "port_not_allowed")]),
            (
                {"kind": "mail", "endpoint": "https://x.example/"},
                [("/endpoint", "not_a_mail_server")],
            ),
            (
                {
                    "kind": "mail",
                    "endpoint": "smtp://x.example:25",
                    "public_key": key_members(),
                },
                [("/public_key", "not_for_this_kind")],
            ),
            ({"public_key": key_members(d="x")}, [("/public_key/d", "unknown_field")]),
            ({"public_key": key_members(y="A" * 43)}, [("/public_key", "not_on_the_curve")]),
        ],
    )
    async def test_what_cannot_be_is_refused_by_name(self, gateway, changes, expected) -> None:
        answer = await gateway.send(
            "owner", "POST", URL, ENTRY | changes, idempotency_key=ids.mint("key")
        )

        assert (answer.status_code, errors(answer)) == (422, expected)
        assert "1234567" not in answer.text

    async def test_a_body_that_can_be_read_in_two_ways_is_refused(self, gateway) -> None:
        answer = await gateway.client.post(
            URL,
            content=b'{"name": "A", "name": "B", "kind": "delivery", "endpoint": "x"}',
            headers={"X-As": "owner", "Content-Type": "application/json"},
        )

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")

    async def test_a_mail_provider_has_no_secrets(self, gateway) -> None:
        added = await gateway.recipient(kind="mail", endpoint="smtp://mail.example:587")

        answer = await gateway.send(
            "owner", "POST", f"{URL}/{added['id']}/secrets", {"use": "webhook"}
        )

        assert added["secrets"] == []
        assert (answer.status_code, errors(answer)) == (422, [("/use", "not_for_this_kind")])


class TestAgreements:
    async def test_an_agreement_is_kept_as_signed_and_twice_is_once(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/agreements"

        first = await gateway.send("owner", "POST", path, TERMS)
        again = await gateway.send("owner", "POST", path, TERMS)
        other = await gateway.send("owner", "POST", path, TERMS | {"days_until_purge": 365})
        shown = await gateway.send("owner", "GET", f"{URL}/{added['id']}")

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        assert (other.status_code, other.json()["code"]) == (409, "other_terms")
        assert shown.json()["agreements"] == [first.json()]
        assert {n: v for n, v in first.json().items() if n in TERMS} == TERMS | {
            "categories": sorted(TERMS["categories"])
        }
        assert [r["reason"] for r in await gateway.records(first)] == ["agreement_added"]

    async def test_digits_of_a_hash_are_not_a_card_number(self, gateway) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])
        path = f"{URL}/{added['id']}/agreements"
        unlucky = "a4111111111111111".ljust(64, "b")

        taken = await gateway.send("owner", "POST", path, TERMS | {"document_sha256": unlucky})
        refused = await gateway.send(
            "owner", "POST", path, TERMS | {"document_sha256": "4111 1111 1111 1111"}
        )

        assert taken.status_code == 201
        assert (refused.status_code, "4111" in refused.text) == (422, False)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"document_sha256": "ab"}, [("/document_sha256", "string_pattern_mismatch")]),
            ({"signed_on": str(TODAY + timedelta(days=2))}, [("/signed_on", "in_the_future")]),
            (
                {"valid_until": str(TODAY - timedelta(days=1))},
                [("/valid_until", "before_valid_from")],
            ),
            ({"valid_from": 1767225600}, [("/valid_from", "date_type")]),
            ({"purposes": ["sale"]}, [("/purposes/0", "forbidden_purpose")]),
            ({"purposes": ["marketing"]}, [("/purposes/0", "forbidden_purpose")]),
            ({"purposes": ["party"]}, [("/purposes/0", "unknown_purpose")]),
            ({"purposes": []}, [("/purposes", "too_short")]),
            (
                {"categories": ["user.name", "user.payment"]},
                [("/categories/1", "not_allowed_by_policy")],
            ),
            ({"categories": ["user.contact.email"]}, [("/categories/0", "not_allowed_by_policy")]),
            ({"days_until_purge": -1}, [("/days_until_purge", "greater_than_equal")]),
        ],
    )
    async def test_it_cannot_say_more_than_the_policy(self, gateway, changes, expected) -> None:
        added = await gateway.recipient(endpoint=ENTRY["endpoint"])

        answer = await gateway.send(
            "owner", "POST", f"{URL}/{added['id']}/agreements", TERMS | changes
        )

        assert (answer.status_code, errors(answer)) == (422, expected)


async def test_the_list_shows_everyone_and_no_secret(gateway) -> None:
    added = [await gateway.recipient(endpoint=ENTRY["endpoint"]) for _ in range(3)]

    answer = await gateway.send("owner", "GET", URL)

    listed = [each["id"] for each in answer.json()["recipients"]]
    assert {each["id"] for each in added} <= set(listed)
    assert listed == sorted(listed)
    assert "secret" not in answer.text
