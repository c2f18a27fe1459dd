"""The leaf: canonical, small, and nothing in it is a value or names a person."""

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy_gateway.domain.audit import leaf, store
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privity_contracts import ids

NOW = datetime(2026, 11, 22, 9, 8, 7, 654321, tzinfo=UTC)
AT = leaf.stamp(NOW)
# How long an example takes says nothing on a busy machine.
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = [
    "read",
    "collect",
    "carry",
    "disclosure",
    "refusal",
    "grant",
    "session",
    "audit_read",
    "policy",
    "key",
]


def some_id(prefix):
    return st.binary(min_size=16, max_size=16).map(lambda raw: f"{prefix}_{ids.encode(raw)}")


words = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
categories = st.from_regex(r"user(\.[a-z_]{1,12}){1,3}", fullmatch=True)
fields = st.builds(
    FieldAccess,
    st.from_regex(r"(/[a-z_*]{1,12}){1,3}", fullmatch=True),
    categories,
    st.sampled_from(["reveal", "mask", "carry", "seal", "withhold"]),
)
places = st.one_of(
    some_id("ord"),
    some_id("cus"),
    some_id("ord").map(lambda order: f"order/{order}"),
    words.map(lambda name: f"site/{name}"),
    words,
)
accesses = st.builds(
    Access,
    kind=st.sampled_from(KINDS),
    subject=st.none() | some_id("cus"),
    actor=st.one_of(some_id("cus"), some_id("stf"), some_id("rcp"), st.just("svc_orders")),
    actor_kind=st.sampled_from(["customer", "staff", "service", "partner", "visitor"]),
    role=words,
    purpose=words,
    clauses=st.lists(st.sampled_from(["C1.1", "C2.2", "C5.1"]), max_size=3).map(tuple),
    policy=st.just("2026-11-22"),
    service=words,
    scope=st.none() | places,
    decision=st.sampled_from(["allow", "refuse"]),
    fields=st.lists(fields, max_size=6).map(tuple),
    work=st.none() | places,
    resource=st.none() | places,
    recipient=st.none() | some_id("rcp"),
    reason=st.none() | words,
    request_id=st.none() | some_id("req") | words,
)


def tags_for(access):
    return {pair: f"t1:{number:022d}" for number, pair in enumerate(leaf.tagged_in(access))}


def written(access, record_id="rec_00000000000000000000000000"):
    return leaf.write(access, record_id=record_id, at=AT, tags=tags_for(access))


@examples
@given(accesses)
def test_a_leaf_is_what_the_standard_calls_canonical(access):
    content = written(access)

    assert content == rfc8785.dumps(json.loads(content))


# What a leaf is made of: our fast writer and the standard's agree on all of it.
members = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=0xD7FF)), inner, max_size=4)
    ),
)


@examples
@given(members)
def test_the_fast_writer_is_the_canonical_one_for_all_that_a_leaf_is_made_of(value):
    assert orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == rfc8785.dumps(value)


@examples
@given(accesses)
def test_a_leaf_names_no_person_and_nothing_of_theirs(access):
    text = written(access).decode()

    for prefix in ("cus_", "stf_", "ord_"):
        assert prefix not in text


@examples
@given(accesses)
def test_the_columns_say_what_the_leaf_says(access):
    tags, content = tags_for(access), written(access)
    row = store.row_of(
        access, record_id="rec_00000000000000000000000000", now=NOW, content=content, tags=tags
    )

    assert row == store.row_from(content)


@examples
@given(accesses)
def test_everything_that_was_recorded_can_be_read_back(access):
    said = leaf.read(written(access))

    assert (said["kind"], said["decision"]) == (access.kind, access.decision)
    assert (said["role"], said["purpose"]) == (access.role, access.purpose)
    assert said["clauses"] == list(access.clauses)
    assert said.get("recipient") == access.recipient
    assert said.get("reason") == access.reason
    found = {
        FieldAccess(name, category, decision)
        for decision, by_category in said["fields"].items()
        for category, names in by_category.items()
        for name in names
    }
    assert found == set(access.fields)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("order/{order}", "order/t1:x"),
        ("{order}", "ord/t1:x"),
        ("account/{customer}", "account/t1:x"),
        ("site/north", "site/north"),
        ("staff.sign_in", "staff.sign_in"),
        ("{recipient}", "{recipient}"),
        ("{record}", "{record}"),
        ("case/{order}x", "case/{order}x"),
    ],
)
def test_ids_become_tags_and_other_names_stay(reading, customer, place, shown):
    known = {
        "order": ids.mint("ord"),
        "customer": customer,
        "recipient": ids.mint("rcp"),
        "record": ids.mint("rec"),
    }
    access = reading(work=place.format(**known), resource=None, scope=None)
    tags = dict.fromkeys(leaf.tagged_in(access), "t1:x")

    content = leaf.write(access, record_id="rec_x", at=AT, tags=tags)

    assert leaf.read(content)["work"] == shown.format(**known)


def test_a_customer_who_reads_their_own_data_has_one_tag(reading, customer):
    access = reading(actor=customer, actor_kind="customer")

    said = leaf.read(written(access))

    assert said["actor"] == said["subject"]


@pytest.mark.parametrize(
    "member",
    ["role", "purpose", "policy", "service", "work", "resource", "scope", "recipient"],
)
@pytest.mark.parametrize(
    "value",
    ["Rosalind Franklin", "rosalind@example.org", "+4420712345", "日本橋", "a\nb", "a\\b", "a<b"],
)
def test_a_value_in_place_of_a_name_is_not_recorded_and_not_repeated(reading, member, value):
    with pytest.raises(leaf.NotRecordable) as refused:
        written(reading(**{member: value}))

    assert value not in str(refused.value)


@pytest.mark.parametrize("reason", ["Rosalind", "call 0171", "a-b", "", "1st", "x" * 65])
def test_a_reason_is_a_code(reading, reason):
    with pytest.raises(leaf.NotRecordable):
        written(reading(reason=reason))


def test_a_request_id_that_the_client_chose_is_left_out(reading):
    minted = ids.mint("req")

    assert leaf.read(written(reading(request_id=minted)))["request"] == minted
    assert "request" not in leaf.read(written(reading(request_id="rosalind-franklin")))


def test_times_are_in_order_as_text():
    moments = [NOW + timedelta(microseconds=n) * 10**n for n in range(10)]
    whole = datetime(2026, 11, 22, 9, 8, 7, tzinfo=UTC)

    assert leaf.stamp(whole) == "2026-11-22T09:08:07.000000Z"
    assert sorted(map(leaf.stamp, moments)) == list(map(leaf.stamp, moments))


def test_an_access_too_large_for_one_leaf_has_two_halves(reading):
    access = reading(*((f"/field_{n}", "user.name", "reveal") for n in range(200)))

    first, second = leaf.parts_of(access)

    assert first.fields + second.fields == access.fields
    assert (first.subject, first.actor, first.scope) == (second.subject, second.actor, second.scope)
    with pytest.raises(leaf.NotRecordable):
        leaf.parts_of(reading(("/one", "user.name", "reveal")))


def test_members_are_in_the_order_of_the_standards_example():
    """RFC 8785, section 3.2.3: the order of members, as far as a leaf's names go."""
    value = {"peach": "This sorting order", "péché": "is wrong according to French", "pêche": "x"}

    assert orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == rfc8785.dumps(value)
