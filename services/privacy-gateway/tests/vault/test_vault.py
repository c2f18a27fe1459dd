"""Sealing and opening: only with a receipt, and only what the receipt names."""

import copy
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import privacy_gateway
from privacy_gateway.domain.audit.access import Receipt
from privacy_gateway.domain.vault.data_keys import KeyDestroyed, KeysUnavailable
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.sealing import DoesNotOpen, NotSealed
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_contracts import BlindIndex, ids

EMAIL, NAME, STREET = "user.contact.email", "user.name", "user.contact.address.street"
CLASSES = {EMAIL: "identity", NAME: "identity", STREET: "delivery"}
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def sealed(vault, customer):
    async def seal(*values, subject=customer, scope=None):
        return await vault.seal(
            subject,
            scope or f"account/{subject}",
            values or [(EMAIL, "rosalind@example.org")],
            classes=CLASSES,
        )

    return seal


@pytest.fixture
def receipt(log, reading):
    async def record(*fields, **changes):
        [given] = await log.record([reading(*fields, **changes)])
        return given

    return record


async def test_what_was_sealed_opens_with_a_receipt(vault, sealed, receipt):
    values = [(EMAIL, "rosalind@example.org"), (NAME, "Rosalind"), (STREET, "日本橋1-1 🏠")]
    tokens = await sealed(*values)
    granted = await receipt(*((f"/{c}", c, "reveal") for c, _ in values))

    await vault.prepare(tokens)

    assert [vault.open(token, granted) for token in tokens] == [text for _, text in values]


async def test_categories_of_one_class_share_a_key_and_others_do_not(sealed):
    email, name, street = await sealed((EMAIL, "a@example.org"), (NAME, "A"), (STREET, "A 1"))

    assert email.split(":")[1] == name.split(":")[1]
    assert email.split(":")[1] != street.split(":")[1]


async def test_a_category_without_a_retention_class_is_not_sealed(vault, customer):
    with pytest.raises(KeyError):
        await vault.seal(customer, f"account/{customer}", [("user.new", "x")], classes=CLASSES)


@pytest.mark.parametrize("decision", ["carry", "seal", "withhold"])
async def test_what_the_record_does_not_reveal_is_not_opened(vault, sealed, receipt, decision):
    [token] = await sealed()
    granted = await receipt(("/email", EMAIL, decision))

    with pytest.raises(NotInReceipt):
        vault.open(token, granted)


async def test_a_masked_value_is_opened_to_be_masked(vault, sealed, receipt):
    [token] = await sealed()

    assert vault.open(token, await receipt(("/email", EMAIL, "mask"))) == "rosalind@example.org"


async def test_the_record_of_a_refusal_opens_nothing(vault, sealed, receipt):
    [token] = await sealed()
    refused = await receipt(("/email", EMAIL, "reveal"), kind="refusal", decision="refuse")

    with pytest.raises(NotInReceipt):
        vault.open(token, refused)


async def test_a_strangers_value_is_not_opened(vault, sealed, receipt):
    """A service that answers with another customer's row gets it no further."""
    [token] = await sealed(subject=ids.mint("cus"))

    with pytest.raises(NotInReceipt):
        vault.open(token, await receipt(("/email", EMAIL, "reveal")))


async def test_a_value_of_another_order_is_not_opened(vault, sealed, receipt, customer):
    mine, other = (f"order/{ids.mint('ord')}" for _ in range(2))
    [token] = await sealed((STREET, "Long Lane 1"), scope=mine)
    here = await receipt(("/street", STREET, "reveal"), scope=mine)
    there = await receipt(("/street", STREET, "reveal"), scope=other)

    assert vault.open(token, here) == "Long Lane 1"
    with pytest.raises(NotInReceipt):
        vault.open(token, there)


async def test_a_strangers_value_in_ones_own_order_is_not_opened(vault, sealed, receipt):
    """A row that mixes two people's values: the scope fits, the person does not."""
    order = f"order/{ids.mint('ord')}"
    [token] = await sealed((STREET, "Long Lane 1"), scope=order, subject=ids.mint("cus"))

    with pytest.raises(NotInReceipt):
        vault.open(token, await receipt(("/street", STREET, "reveal"), scope=order))


async def test_a_category_that_the_record_does_not_name_is_not_opened(vault, sealed, receipt):
    tokens = await sealed((EMAIL, "rosalind@example.org"), (NAME, "Rosalind"))
    granted = await receipt(("/email", EMAIL, "reveal"))

    assert vault.open(tokens[0], granted) == "rosalind@example.org"
    with pytest.raises(NotInReceipt):
        vault.open(tokens[1], granted)


async def test_a_value_relabelled_as_another_category_does_not_open(vault, sealed, receipt):
    [token] = await sealed()
    granted = await receipt(("/name", NAME, "reveal"), ("/email", EMAIL, "reveal"))

    with pytest.raises(DoesNotOpen):
        vault.open(token.replace(EMAIL, NAME), granted)


async def test_a_value_relabelled_as_under_another_key_does_not_open(vault, sealed, receipt):
    email, street = await sealed((EMAIL, "rosalind@example.org"), (STREET, "Long Lane 1"))
    granted = await receipt(("/email", EMAIL, "reveal"), ("/street", STREET, "reveal"))
    swapped = email.replace(email.split(":")[1], street.split(":")[1])

    with pytest.raises(DoesNotOpen):
        vault.open(swapped, granted)


async def test_plain_text_in_place_of_a_sealed_value_is_refused(vault, receipt):
    await vault.prepare(["rosalind@example.org"])

    with pytest.raises(NotSealed):
        vault.open("rosalind@example.org", await receipt(("/email", EMAIL, "reveal")))


async def test_after_its_key_is_destroyed_nothing_opens_it(
    vault, destroy, sealed, receipt, customer
):
    [token] = await sealed()
    granted = await receipt(("/email", EMAIL, "reveal"))
    await destroy(Place(customer, f"account/{customer}", "identity"), now=NOW)

    await vault.prepare([token])

    with pytest.raises(KeyDestroyed):
        vault.open(token, granted)
    with pytest.raises(KeyDestroyed):
        await sealed()


async def test_what_was_not_prepared_is_unavailable_and_not_called_deleted(
    vault, keys, sealed, receipt, customer
):
    [token] = await sealed()
    granted = await receipt(("/email", EMAIL, "reveal"))
    keys._cache.clear()

    with pytest.raises(KeysUnavailable):
        vault.open(token, granted)


async def test_opens_and_records_are_counted_and_agree(keys, sealed, receipt):
    vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
    tokens = await sealed((EMAIL, "rosalind@example.org"), (NAME, "Rosalind"))
    granted = await receipt(("/email", EMAIL, "reveal"))

    vault.open(tokens[0], granted)
    vault.open(tokens[0], granted)
    with pytest.raises(NotInReceipt):
        vault.open(tokens[1], granted)

    assert (vault.opened, vault.recorded, vault.broken) == (2, 2, 0)


async def test_a_value_is_carried_into_an_order_of_the_same_person(
    vault, sealed, receipt, customer
):
    [token] = await sealed((STREET, "Long Lane 1"))
    order = f"order/{ids.mint('ord')}"
    carried = await receipt(("/street", STREET, "carry"))

    copy_ = await vault.reseal(token, carried, customer, order, classes=CLASSES)

    seen = await receipt(("/street", STREET, "reveal"), scope=order)
    assert vault.open(copy_, seen) == "Long Lane 1"
    with pytest.raises(NotInReceipt):
        vault.open(token, seen)


@pytest.mark.parametrize("decision", ["reveal", "mask", "seal", "withhold"])
async def test_only_what_the_record_carries_is_carried(vault, sealed, receipt, customer, decision):
    [token] = await sealed((STREET, "Long Lane 1"))
    granted = await receipt(("/street", STREET, decision))

    with pytest.raises(NotInReceipt):
        await vault.reseal(token, granted, customer, "order/x", classes=CLASSES)


async def test_nothing_is_carried_from_one_person_to_another(vault, sealed, receipt, customer):
    stranger = ids.mint("cus")
    [mine] = await sealed((STREET, "Long Lane 1"))
    [theirs] = await sealed((STREET, "Short Lane 2"), subject=stranger)
    granted = await receipt(("/street", STREET, "carry"))

    with pytest.raises(NotInReceipt):
        await vault.reseal(mine, granted, stranger, f"account/{stranger}", classes=CLASSES)
    with pytest.raises(NotInReceipt):
        await vault.reseal(theirs, granted, customer, f"account/{customer}", classes=CLASSES)


async def test_a_receipt_cannot_be_made_or_changed_by_hand(receipt):
    granted = await receipt()

    with pytest.raises(TypeError):
        Receipt(
            record_id=granted.record_id,
            subject="cus_x",
            scope="account/cus_x",
            openable={EMAIL},
            carriable=(),
            durable=object(),
        )
    with pytest.raises((TypeError, ValueError)):
        replace(granted, subject="cus_x")
    with pytest.raises(AttributeError):
        granted.subject = "cus_x"
    with pytest.raises(AttributeError):
        granted.openable.add(NAME)


async def test_only_the_log_holds_what_makes_receipts():
    source = Path(privacy_gateway.__file__).parent
    holders = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "_DURABLE" in path.read_text()
    ]

    assert sorted(holders) == ["domain/audit/access.py", "domain/audit/log.py"]


async def test_only_the_vault_imports_ciphers():
    source = Path(privacy_gateway.__file__).parent
    importers = {
        path.relative_to(source).parent.as_posix()
        for path in source.rglob("*.py")
        if "primitives.ciphers" in path.read_text()
    }

    assert importers == {"domain/vault"}


async def test_keys_show_themselves_to_nobody(keys, vault, customer):
    [key] = await keys.for_sealing([Place(customer, f"account/{customer}", "identity")])

    for shown in (repr(key), str(key), f"{key}"):
        assert key.tagging.hex() not in shown
        assert repr(key.tagging) not in shown
        assert "AESGCM" not in shown


async def test_a_blind_index_is_equal_for_equal_values_of_a_category_alone(vault):
    index = await vault.blind_index(EMAIL, "rosalind@example.org")

    assert BlindIndex(index).text == index
    assert index == await vault.blind_index(EMAIL, "rosalind@example.org")
    assert index != await vault.blind_index(NAME, "rosalind@example.org")
    assert index != await vault.blind_index(EMAIL, "rosalind@example.com")


async def test_keyed_hashes_depend_on_their_own_key_alone(keys):
    one = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
    two = Vault(keys, index_key=b"j" * 32, request_key=b"r" * 32)
    three = Vault(keys, index_key=b"i" * 32, request_key=b"s" * 32)

    assert await one.blind_index(EMAIL, "x") != await two.blind_index(EMAIL, "x")
    assert await one.blind_index(EMAIL, "x") == await three.blind_index(EMAIL, "x")
    assert one.fingerprint(b"x") == two.fingerprint(b"x") != three.fingerprint(b"x")
    assert one.deterministic_id("ord", "x") != three.deterministic_id("ord", "x")
    assert one.derived_key("x") != one.derived_key("y")
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys, index_key=b"short", request_key=b"r" * 32)


def test_a_retry_meets_the_same_id(vault):
    made = vault.deterministic_id("ord", "cus_a", "orders.place", "key-1")

    assert ids.is_id(made, "ord")
    assert made == vault.deterministic_id("ord", "cus_a", "orders.place", "key-1")
    assert made != vault.deterministic_id("ord", "cus_a", "orders.place", "key-2")
    assert made != vault.deterministic_id("ord", "cus_aorders.place", "", "key-1")
    assert vault.deterministic_id("ord", "ab", "c") != vault.deterministic_id("ord", "a", "bc")
    assert made[4:] != vault.deterministic_id("adr", "cus_a", "orders.place", "key-1")[4:]


async def test_a_tag_links_what_one_person_did_in_one_month_and_no_more(vault, customer):
    stranger = ids.mint("cus")
    tag = await vault.tag(customer, "2026-11", customer)

    assert tag == await vault.tag(customer, "2026-11", customer)
    assert tag != await vault.tag(customer, "2026-12", customer)
    assert tag != await vault.tag(customer, "2026-11", "ord_x")
    assert tag != await vault.tag(stranger, "2026-11", customer)


async def test_a_tag_cannot_be_made_again_after_the_persons_key_is_gone(vault, destroy, customer):
    tag = await vault.tag(customer, "2026-11", customer)
    await destroy(Place(customer, f"account/{customer}", "audit_tag"), now=NOW)

    with pytest.raises(KeyDestroyed):
        await vault.tag(customer, "2026-11", customer)
    assert await vault.tags("2026-11", [(customer, customer)]) == {(customer, customer): None}
    assert await vault.known_since(customer) is None
    assert tag.startswith("t1:")


async def test_looking_for_a_persons_tag_makes_no_key(vault, customer):
    assert await vault.tags("2026-11", [(customer, customer)], minting=False) == {
        (customer, customer): None
    }
    assert await vault.known_since(customer) is None


async def test_receipts_and_keys_do_not_leave_the_process(keys, receipt, customer):
    [key] = await keys.for_sealing([Place(customer, f"account/{customer}", "identity")])

    for one in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            one(key)
