"""What the vault opened against what was recorded."""

from privacy_gateway.domain.audit.access import _DURABLE, Receipt
from privacy_gateway.domain.vault import sealing
from privity_contracts import ids

EMAIL = "user.contact.email"


async def sealed(vault, customer):
    [token] = await vault.seal(
        customer, f"account/{customer}", [(EMAIL, "ada@example.org")], classes={EMAIL: "identity"}
    )
    await vault.prepare([token])
    return token


async def test_what_is_opened_with_a_receipt_raises_none(
    watch, alerts, log, vault, reading, customer
):
    vault.shown()
    token = await sealed(vault, customer)
    [receipt] = await log.record([reading()])
    assert vault.open(token, receipt) == "ada@example.org"

    await watch.reconcile()

    assert await alerts() == []
    assert watch.unreconciled == 0


async def test_an_open_that_nobody_recorded_raises_an_alert(watch, alerts, vault, customer):
    """Code that goes past the check, straight to the key."""
    vault.shown()
    token = await sealed(vault, customer)
    parts = sealing.parse(token)
    vault._decrypted(parts, vault.keys.loaded(parts.key_id))

    await watch.reconcile()
    await watch.reconcile()

    [alert] = await alerts()
    assert (alert["rule"], alert["count"]) == ("unreconciled_open", 1)
    vault.recorded += 1  # the vault is one for all tests


async def test_an_open_with_a_receipt_of_no_record_raises_an_alert(watch, alerts, vault, customer):
    vault.shown()
    token = await sealed(vault, customer)
    forged = Receipt(
        record_id=ids.mint("rec"),
        subject=customer,
        scope=f"account/{customer}",
        openable={EMAIL},
        carriable=(),
        durable=_DURABLE,
    )
    vault.open(token, forged)

    await watch.reconcile()

    [alert] = await alerts()
    assert (alert["rule"], alert["record_id"]) == ("unreconciled_open", forged.record_id)


async def test_an_open_with_the_receipt_of_a_refusal_raises_an_alert(
    watch, alerts, log, vault, reading, customer
):
    vault.shown()
    token = await sealed(vault, customer)
    [refused] = await log.record([reading(decision="refuse", reason="not_yours")])
    forged = Receipt(
        record_id=refused.record_id,
        subject=customer,
        scope=f"account/{customer}",
        openable={EMAIL},
        carriable=(),
        durable=_DURABLE,
    )
    vault.open(token, forged)

    await watch.reconcile()

    assert [alert["rule"] for alert in await alerts()] == ["unreconciled_open"]
