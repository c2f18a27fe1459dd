"""The audit API, through its door: who may ask, and that asking is recorded first."""

import re
from datetime import UTC, datetime

import orjson
import pytest

from privacy_gateway.api import accesses, audit
from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.tokens.caller import VISITOR, service
from privacy_gateway.domain.vault.key_cache import Place
from privity_contracts import ids

from .callers import customer_caller, recorded, staff


async def test_a_reviewer_learns_who_saw_a_customers_data(
    api, log, reading, customer, clerk, auditor
):
    [receipt] = await log.record([reading()])

    answer = await api(staff(auditor), {"subject": customer, "kind": "read"})

    assert answer.status_code == 200
    [found] = answer.json()["records"]
    assert found["id"] == receipt.record_id
    assert answer.json()["people"][found["actor"]] == clerk
    assert answer.json()["altered"] == []
    assert answer.json()["privacy"]["purpose"] == "audit_review"


async def test_only_what_was_asked_for_is_named(api, log, reading, customer, clerk, auditor):
    order = ids.mint("ord")
    await log.record([reading(work=f"order/{order}")])
    search = {"actor": clerk, "kind": "read"}

    nobody = (await api(staff(auditor), search | {"reveal": []})).json()
    everybody = (await api(staff(auditor), search | {"reveal": ["subject", "work"]})).json()

    assert nobody["people"] == {}
    assert set(everybody["people"].values()) == {customer, order}


async def test_asking_is_itself_recorded_with_whoever_was_named(
    api, log, records, reading, customer, clerk, auditor
):
    await log.record([reading()])

    await api(staff(auditor), {"subject": customer, "kind": "read"})

    about_customer = await recorded(records, subject=customer, actor=auditor)
    about_clerk = await recorded(records, subject=clerk, actor=auditor)
    assert [each["kind"] for each in about_customer] == ["audit_read"]
    assert [each["kind"] for each in about_clerk] == ["audit_read"]
    assert about_clerk[0]["fields"] == {"reveal": {"user.unique_id": ["tag"]}}


async def test_whoever_has_no_grant_to_review_is_refused_and_recorded(
    api, log, records, reading, customer, clerk
):
    await log.record([reading()])
    strangers = [
        staff(clerk, role="support_1", purpose="enquiries"),
        staff(clerk, role="support_1", purpose="audit_review"),
        staff(clerk, role="auditor", purpose="enquiries"),
        customer_caller(customer),
        service("orders"),
    ]

    for who in strangers:
        for path in ("/v1/audit/searches", f"/v1/audit/records/{ids.mint('rec')}"):
            answer = await api(who, {"subject": customer}, path=path)
            assert answer.status_code == 403
            assert answer.json()["code"] == "only_for_audit_review"

    refusals = await recorded(records, actor=clerk, decision="refuse")
    assert len(refusals) == 6
    assert {each["reason"] for each in refusals} == {"only_for_audit_review"}


async def test_a_visitor_learns_nothing(api):
    for path in ("/v1/audit/searches", "/v1/my/accesses", f"/v1/audit/records/{ids.mint('rec')}"):
        assert (await api(VISITOR, path=path)).status_code == 401


async def test_a_grant_narrowed_to_fewer_categories_names_nobody(
    api, log, reading, customer, auditor
):
    await log.record([reading()])
    narrowed = staff(auditor, categories=frozenset({"system.operations"}))

    answer = await api(narrowed, {"subject": customer})

    assert answer.json()["people"] == {}
    assert answer.json()["records"]


async def test_pages_follow_one_another(api, log, reading, customer, auditor):
    made = [receipt.record_id for receipt in await log.record([reading()] * 5)]
    search = {"subject": customer, "kind": "read", "limit": 2}

    found, cursor = [], None
    while True:
        body = search | ({"cursor": cursor} if cursor else {})
        answer = (await api(staff(auditor), body)).json()
        found += [each["id"] for each in answer["records"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert sorted(found) == sorted(made)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"subject": "rosalind@example.org"}, "/subject", "string_pattern_mismatch"),
        ({"subject": "cus_x' OR 1=1"}, "/subject", "string_pattern_mismatch"),
        ({"nobody": 1}, "/nobody", "unknown_field"),
        ({"limit": 1000}, "/limit", "less_than_equal"),
        ({"since": "yesterday"}, "/since", "datetime_parsing"),
        ({"since": "2026-11-22T00:00:00"}, "/since", "timezone_aware"),
        ({"decision": "maybe"}, "/decision", "literal_error"),
        ({"reveal": ["password"]}, "/reveal/0", "literal_error"),
        ({"cursor": "AAAA"}, "/cursor", "bad_cursor"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused_by_name(api, auditor, body, field, code):
    answer = await api(staff(auditor), body)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "code": code}]
    assert "rosalind" not in answer.text


async def test_one_record_is_given_with_whoever_did_it(api, log, records, reading, clerk, auditor):
    [receipt] = await log.record([reading()])

    answer = await api(staff(auditor), path=f"/v1/audit/records/{receipt.record_id}")

    assert answer.json()["record"]["id"] == receipt.record_id
    assert answer.json()["people"] == {answer.json()["record"]["actor"]: clerk}
    assert answer.json()["altered"] is False
    asked = await recorded(records, actor=auditor, kind="audit_read")
    assert receipt.record_id in {each.get("resource") for each in asked}


async def test_a_record_that_does_not_exist_is_not_found(api, auditor):
    answer = await api(staff(auditor), path=f"/v1/audit/records/{ids.mint('rec')}")

    assert answer.status_code == 404


async def test_what_was_done_as_one_piece_of_work_is_found(
    api, log, records, vault, reading, customer, clerk, auditor
):
    order = ids.mint("ord")
    await vault.seal(
        customer, f"order/{order}", [("user.name", "Ada")], classes={"user.name": "delivery"}
    )
    [hit] = await log.record([reading(work=f"order/{order}")])
    await log.record([reading(), reading(work=f"order/{ids.mint('ord')}")])

    answer = await api(staff(auditor), {"work": f"order/{order}"})
    nobodys = await api(staff(auditor), {"work": f"order/{ids.mint('ord')}"})

    assert [each["id"] for each in answer.json()["records"]] == [hit.record_id]
    assert nobodys.status_code == 422
    assert nobodys.json()["errors"] == [{"field": "/work", "code": "work_of_nobody"}]
    about = await recorded(records, subject=customer, actor=auditor)
    assert about[0]["kind"] == "audit_read"


async def test_nothing_is_answered_that_cannot_be_recorded(
    door, api, store, new_process, vault, auditor, customer
):
    door.app.state.audit = await new_process()
    door.app.state.records = Records(store.urls.runtime, vault)
    await store.stop()

    for who, path in (
        (staff(auditor), "/v1/audit/searches"),
        (customer_caller(customer), "/v1/my/accesses"),
    ):
        answer = await api(who, path=path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["code"] == "audit_store_unavailable"
    door.app.state.records.close()


async def test_nobody_who_was_erased_is_named(api, log, destroy, reading, customer, clerk, auditor):
    await log.record([reading()])
    search = {"actor": clerk, "kind": "read", "reveal": ["subject"]}
    before = (await api(staff(auditor), search)).json()
    await destroy(Place(customer, f"account/{customer}", "audit_tag"), now=datetime.now(UTC))

    after = (await api(staff(auditor), search)).json()

    [tag] = before["people"]
    assert before["people"] == {tag: customer}
    assert after["records"] == before["records"]
    assert after["people"] == {tag: None}


async def test_an_opening_moved_to_another_tag_names_nobody(
    api, log, reading, as_owner, customer, clerk, auditor
):
    """Whoever owns the store could otherwise blame one for what another did."""
    innocent = ids.mint("stf")
    receipts = await log.record([reading(), reading(actor=innocent)])
    tags = [
        leaf.read(await as_owner.fetchval("SELECT leaf FROM records WHERE id = $1", r.record_id))
        for r in receipts
    ]
    guilty, blamed = tags[0]["actor"], tags[1]["actor"]
    await as_owner.execute(
        "UPDATE openings SET sealed = (SELECT sealed FROM openings WHERE tag = $1) WHERE tag = $2",
        blamed,
        guilty,
    )

    answer = await api(staff(auditor), {"subject": customer, "actor": clerk})

    assert answer.json()["people"] == {guilty: None}


def test_no_address_holds_a_persons_id():
    paths = {route.path for router in (audit.router, accesses.router) for route in router.routes}
    placeholders = {name for path in paths for name in re.findall(r"{(\w+)}", path)}

    assert placeholders <= {"record_id", "export_id", "name", "alert_id"}


async def test_the_store_holds_nobodys_id(api, log, reading, as_owner, customer, clerk, auditor):
    order = ids.mint("ord")
    await log.record([reading(work=f"order/{order}", resource=order, scope=f"order/{order}")])
    await api(staff(auditor), {"subject": customer, "actor": clerk})

    rows = await as_owner.fetch("SELECT records::text AS line, leaf FROM records")
    rows += await as_owner.fetch("SELECT openings::text AS line, ''::bytea AS leaf FROM openings")

    stored = "\n".join(row["line"] + row["leaf"].decode() for row in rows)
    for person in (customer, clerk, auditor, order):
        assert person not in stored
        assert person.partition("_")[2] not in stored
    assert orjson.loads(rows[0]["leaf"])["v"] == 1
