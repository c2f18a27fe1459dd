"""A partner's report is signed before it is read, and says only what a report may say."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

import privacy_gateway
from privacy_gateway.domain.disclosure import schemas
from privacy_gateway.domain.disclosure.signature import sign
from privacy_gateway.domain.recipients.webhook_secrets import random_text
from privity_contracts import ids


@pytest.fixture
def report() -> dict[str, Any]:
    return {
        "type": "tracking_report",
        "event_id": "sp-2026-000001",
        "shipment": ids.mint("shp"),
        "status": "in_transit",
        "occurred_at": "2026-11-22T12:00:00Z",
    }


async def post(
    gateway, recipient_id: str, body: Any, secret: str, *, at: datetime | None = None, **more: str
) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    try:
        signed = sign(
            content,
            message_id="msg_1",
            signing_secrets=[secret],
            now=at or datetime.now(UTC),
        )
    except UnicodeDecodeError:
        signed = sign(b"", message_id="m", signing_secrets=[secret], now=datetime.now(UTC))
    changes = {name.replace("_", "-"): value for name, value in more.items()}
    return await gateway.client.post(
        f"/v1/partners/{recipient_id}/tracking",
        content=content,
        headers={"Content-Type": "application/json", **signed, **changes},
    )


async def test_a_signed_report_reaches_the_adapter_in_the_partners_name(
    gateway, carrier, logistics, report
) -> None:
    answer = await post(gateway, carrier["id"], report, carrier["callback_secret"])

    ((headers, body),) = logistics.events
    assert (answer.status_code, answer.content) == (202, b"")
    assert body == report
    assert headers["privity-caller"] == "partner"
    assert headers["privity-actor"] == carrier["id"]
    assert (headers["privity-role"], headers["privity-purpose"]) == ("partner", "delivery")
    assert headers["request-id"] == answer.headers["request-id"]
    assert "webhook-signature" not in headers


async def test_the_same_report_again_is_answered_as_the_first_time(
    gateway, carrier, logistics, report
) -> None:
    answers = [
        await post(gateway, carrier["id"], report, carrier["callback_secret"]) for _ in range(3)
    ]

    assert [each.status_code for each in answers] == [202] * 3
    assert {body["event_id"] for _, body in logistics.events} == {report["event_id"]}


async def test_a_suspended_partner_may_still_report(gateway, carrier, logistics, report) -> None:
    path = f"/v1/recipients/{carrier['id']}/status"
    await gateway.send("owner", "PUT", path, {"status": "suspended"})

    answer = await post(gateway, carrier["id"], report, carrier["callback_secret"])

    assert (answer.status_code, len(logistics.events)) == (202, 1)


async def test_both_secrets_are_good_while_they_overlap_and_the_old_one_not_after(
    gateway, carrier, logistics, report
) -> None:
    path = f"/v1/recipients/{carrier['id']}/secrets"
    body = {"use": "callback", "overlap_hours": 1}
    second = (await gateway.send("owner", "POST", path, body)).json()["secret"]
    during = [
        await post(gateway, carrier["id"], report, secret)
        for secret in (carrier["callback_secret"], second)
    ]
    body = {"use": "callback", "overlap_hours": 0}
    third = (await gateway.send("owner", "POST", path, body)).json()["secret"]
    after = [
        await post(gateway, carrier["id"], report, secret)
        for secret in (carrier["callback_secret"], second, third)
    ]

    assert [each.status_code for each in during] == [202, 202]
    assert [each.status_code for each in after] == [401, 401, 202]


class TestNotSigned:
    """One answer for every reason, before a byte of the body is understood."""

    async def refused(self, logistics, answer: httpx.Response) -> None:
        body = answer.json()
        assert (answer.status_code, body["code"]) == (401, "not_signed")
        assert set(body) == {"type", "title", "status", "code", "instance"}
        assert logistics.events == []

    async def test_an_unknown_partner_and_a_bad_signature_look_the_same(
        self, gateway, carrier, logistics, report
    ) -> None:
        secret = carrier["callback_secret"]
        for recipient_id, used in (
            (carrier["id"], random_text()),
            (ids.mint("rcp"), secret),
            ("rcp_x", secret),
            ("nobody", secret),
        ):
            await self.refused(logistics, await post(gateway, recipient_id, report, used))

    async def test_another_partners_secret_is_refused(
        self, gateway, carrier, other_partner, logistics, report
    ) -> None:
        other = await gateway.recipient(endpoint=other_partner.url)

        answer = await post(gateway, carrier["id"], report, other["callback_secret"])

        await self.refused(logistics, answer)

    async def test_the_secret_of_our_own_webhooks_is_refused(
        self, gateway, carrier, logistics, report
    ) -> None:
        answer = await post(gateway, carrier["id"], report, carrier["webhook_secret"])

        await self.refused(logistics, answer)

    @pytest.mark.parametrize("minutes", [-6, 6])
    async def test_an_old_or_a_future_signature_is_refused(
        self, gateway, carrier, logistics, report, minutes
    ) -> None:
        at = datetime.now(UTC) + timedelta(minutes=minutes)

        answer = await post(gateway, carrier["id"], report, carrier["callback_secret"], at=at)

        await self.refused(logistics, answer)

    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook_signature": ""},
            {"webhook_signature": "v1,"},
            {"webhook_signature": f"v1,{base64.b64encode(bytes(32)).decode()}"},
            {"webhook_id": "msg_2"},
            {"webhook_id": ""},
            {"webhook_timestamp": "soon"},
        ],
    )
    async def test_changed_headers_are_refused(
        self, gateway, carrier, logistics, report, changes
    ) -> None:
        answer = await post(gateway, carrier["id"], report, carrier["callback_secret"], **changes)

        await self.refused(logistics, answer)

    async def test_no_signature_at_all_is_refused(
        self, gateway, carrier, logistics, report
    ) -> None:
        answer = await gateway.client.post(f"/v1/partners/{carrier['id']}/tracking", json=report)

        await self.refused(logistics, answer)

    @pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b"[" * 10_000])
    async def test_what_is_not_signed_is_not_parsed(
        self, gateway, carrier, logistics, body
    ) -> None:
        answer = await post(gateway, carrier["id"], body, random_text())

        await self.refused(logistics, answer)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "lost"}, [("/status", "enum")]),
        ({"status": None}, [("/status", "enum")]),
        ({"note": "left with Anna"}, [("/note", "unknown_field")]),
        ({"shipment": "shp_1"}, [("/shipment", "pattern")]),
        ({"shipment": ids.mint("ord")}, [("/shipment", "pattern")]),
        ({"event_id": "left with Anna"}, [("/event_id", "pattern")]),
        ({"event_id": "a" * 65}, [("/event_id", "pattern")]),
        ({"event_id": 1}, [("/event_id", "type")]),
        ({"occurred_at": "2026-11-22T12:00:00+01:00"}, [("/occurred_at", "pattern")]),
        ({"occurred_at": "2026-13-45T12:00:00Z"}, [("/occurred_at", "format")]),
        ({"occurred_at": "yesterday, Anna was not in"}, None),
        ({"type": "tracking"}, [("/type", "const")]),
    ],
)
async def test_a_report_that_is_not_as_published_is_refused_by_name(
    gateway, carrier, logistics, report, changes, expected
) -> None:
    answer = await post(gateway, carrier["id"], report | changes, carrier["callback_secret"])

    found = [(each["field"], each["code"]) for each in answer.json()["errors"]]
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_tracking_report")
    assert expected is None or found == expected
    assert "Anna" not in answer.text
    assert logistics.events == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"status": "delivered", "status": "failed"}',
        b"[]",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        b"{",
    ],
)
async def test_a_signed_body_is_still_read_strictly(gateway, carrier, logistics, body) -> None:
    answer = await post(gateway, carrier["id"], body, carrier["callback_secret"])

    assert answer.status_code == 400
    assert logistics.events == []


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        (200, 202),
        (204, 202),
        (403, 503),
        (404, 404),
        (409, 422),
        (422, 422),
        (500, 503),
        (503, 503),
    ],
)
async def test_the_adapters_answer_becomes_one_for_partners(
    gateway, carrier, logistics, report, status, answered
) -> None:
    logistics.status = status

    answer = await post(gateway, carrier["id"], report, carrier["callback_secret"])

    assert answer.status_code == answered


async def test_anyone_can_read_the_schemas(gateway) -> None:
    listed = (await gateway.send("visitor", "GET", "/v1/schemas")).json()["schemas"]

    for path in listed:
        answer = await gateway.send("visitor", "GET", path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.json() == orjson.loads(schemas.document(path.rpartition("/")[2]))
    folder = Path(privacy_gateway.__file__).parent / "schemas"
    written = {path.stem for path in folder.glob("*.json")}
    assert {path.rpartition("/")[2] for path in listed} == written


@pytest.mark.parametrize("name", ["nothing", "..", "delivery-request.v1.json", "%2e%2e"])
async def test_there_is_no_other_file_behind_them(gateway, name) -> None:
    answer = await gateway.send("visitor", "GET", f"/v1/schemas/{name}")

    assert answer.status_code == 404
