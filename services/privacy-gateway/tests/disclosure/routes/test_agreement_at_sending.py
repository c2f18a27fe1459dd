"""Without an agreement that is valid now, not a byte leaves, and that it did not is on record."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import update

from privacy_gateway.models import Agreement
from privity_contracts import ids


@pytest.fixture
def tomorrow():
    return datetime.now(UTC).date() + timedelta(days=1)


async def refused(gateway, partner, order, recipient, reason: str) -> None:
    opened = gateway.means.vault.opened

    answer = await gateway.disclose(order, recipient)

    assert answer.json() == {
        "outcome": "no_agreement",
        "status": None,
        "retry_after_seconds": None,
        "reason": reason,
    }
    assert partner.connections == 0
    assert gateway.means.vault.opened == opened
    (record,) = await gateway.records(answer)
    assert (record["decision"], record["reason"]) == ("refuse", reason)
    assert set(record["fields"]) == {"withhold"}


async def test_a_partner_without_an_agreement_gets_nothing(gateway, partner) -> None:
    added = await gateway.recipient(endpoint=partner.url)

    await refused(gateway, partner, await gateway.order(), added, "no_agreement")


async def test_an_unknown_recipient_gets_nothing(gateway, partner) -> None:
    nobody = {"id": ids.mint("rcp")}

    await refused(gateway, partner, await gateway.order(), nobody, "no_recipient")


async def test_a_mail_provider_gets_no_deliveries(gateway, partner) -> None:
    added = await gateway.recipient(kind="mail", endpoint="smtp://mail.example:25")

    await refused(gateway, partner, await gateway.order(), added, "no_delivery_partner")


async def test_an_agreement_that_ended_yesterday_covers_nothing(gateway, partner) -> None:
    added = await gateway.recipient(endpoint=partner.url)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    await gateway.agreement(added["id"], valid_until=str(yesterday))

    await refused(gateway, partner, await gateway.order(), added, "agreement_expired")


async def test_an_agreement_from_tomorrow_on_covers_nothing(gateway, partner, tomorrow) -> None:
    added = await gateway.recipient(endpoint=partner.url)
    await gateway.agreement(added["id"], valid_from=str(tomorrow))

    await refused(gateway, partner, await gateway.order(), added, "agreement_not_yet_valid")


async def test_an_agreement_for_another_purpose_covers_nothing(gateway, partner) -> None:
    added = await gateway.recipient(endpoint=partner.url)
    await gateway.agreement(added["id"], purposes=["warehousing"])

    await refused(gateway, partner, await gateway.order(), added, "purpose_not_agreed")


async def test_an_agreement_without_a_category_that_is_needed_covers_nothing(
    gateway, partner
) -> None:
    added = await gateway.recipient(endpoint=partner.url)
    await gateway.agreement(added["id"], categories=["user.name"])

    await refused(gateway, partner, await gateway.order(), added, "category_not_agreed")


async def test_a_partner_suspended_a_moment_ago_gets_nothing(gateway, partner, carrier) -> None:
    await gateway.send(
        "owner", "PUT", f"/v1/recipients/{carrier['id']}/status", {"status": "suspended"}
    )

    await refused(gateway, partner, await gateway.order(), carrier, "recipient_suspended")


async def test_an_agreement_that_ends_between_two_attempts_ends_them(
    gateway, partner, carrier
) -> None:
    order = await gateway.order()
    partner.status = 500
    await gateway.disclose(order, carrier)
    partner.connections = 0
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    async with gateway.means.database.transaction() as tx:
        await tx.execute(
            update(Agreement)
            .where(Agreement.recipient_id == carrier["id"])
            .values(valid_until=yesterday)
        )

    await refused(gateway, partner, order, carrier, "agreement_expired")


async def test_what_a_payload_does_not_hold_need_not_be_agreed(gateway, partner) -> None:
    added = await gateway.recipient(endpoint=partner.url)
    order = await gateway.order()
    without = [f for f in ("line2", "region", "postal_code") if order["sealed"].pop(f)]
    categories = [
        "user.name",
        "user.contact.phone_number",
        "user.contact.address.street",
        "user.contact.address.city",
        "user.contact.address.country",
    ]
    await gateway.agreement(added["id"], categories=categories)

    answer = await gateway.disclose(order, added)

    assert answer.json()["outcome"] == "delivered"
    assert set(orjson.loads(partner.received[0].body)["address"]).isdisjoint(without)
