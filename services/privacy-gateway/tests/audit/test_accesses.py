"""What a customer is told about accesses, and an access that they do not recognise."""

from datetime import UTC, datetime

import orjson
import pytest

from privacy_gateway.domain.tokens.caller import VISITOR, service
from privacy_gateway.domain.vault.key_cache import Place
from privity_contracts import ids

from .callers import customer_caller, recorded, staff


@pytest.fixture
def desk(door, services, behind):
    """The customers service behind the gateway, taking objections."""
    taken = {}

    async def take(request):
        body = orjson.loads(await request.read())
        taken.setdefault(body["id"], body)
        return 201, {"id": body["id"], "due_at": "2026-11-29T10:00:00Z"}

    behind.says("customers", "/v1/objections", take, method="POST", status=take)
    door.app.state.services = services
    return taken


def objection(record_id):
    return f"/v1/my/accesses/{record_id}/objection"


async def test_a_customer_sees_who_saw_their_data(api, log, reading, customer, clerk):
    await log.record([reading(("/email", "user.contact.email", "mask"))])

    answer = await api(customer_caller(customer), path="/v1/my/accesses")

    own, clerks = answer.json()["accesses"]
    assert (own["who"], own["did"]) == ("you", "looked at the record of accesses")
    assert clerks["who"] == "customer support"
    assert clerks["why"] == "answering a question about your order"
    assert clerks["what"] == [{"data": "e-mail address", "seen": "in part"}]
    assert clerk not in answer.text
    assert answer.json()["privacy"]["purpose"] == "self_service"


async def test_a_customer_sees_nothing_of_another(api, log, reading, customer):
    stranger = ids.mint("cus")
    await log.record([reading()])

    answer = await api(customer_caller(stranger), path="/v1/my/accesses")

    assert [each["who"] for each in answer.json()["accesses"]] == ["you"]


async def test_only_customers_have_accesses_of_their_own(api, auditor):
    for who in (staff(auditor), service("orders")):
        assert (await api(who, path="/v1/my/accesses")).status_code == 403


async def test_somebody_elses_cursor_is_refused(api, log, reading, customer):
    await log.record([reading()] * 3)
    first = await api(customer_caller(customer), path="/v1/my/accesses", limit=1)

    answer = await api(
        customer_caller(ids.mint("cus")),
        path="/v1/my/accesses",
        limit=1,
        cursor=first.json()["next_cursor"],
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_cursor"


async def test_it_is_said_on_whose_request(api, log, reading, customer, clerk):
    order, case = ids.mint("ord"), ids.mint("cas")
    await log.record([reading(work=f"order/{order}")])
    await log.record([reading(work=f"case/{case}")])
    await log.record([reading(work="site/north")])
    await log.record([reading(actor="svc_orders", actor_kind="service")])
    await log.record([reading(work=f"break-glass/{ids.mint('brk')}")])
    await log.record([reading(work=None)])

    answer = await api(customer_caller(customer), path="/v1/my/accesses")

    told = [each["on_request_of"] for each in answer.json()["accesses"]]
    assert told[0] == {"whom": "you"}
    assert told[1] == {"whom": "us"}
    assert told[2]["whom"] == "us, in an emergency"
    assert told[3] == {"whom": "you, with your order"}
    assert told[4] == {"whom": "us, to pack and send orders"}
    assert told[5] == {"whom": "you, with what you turned to us with", "id": case}
    assert told[6] == {"whom": "you, with your order", "id": order}


async def test_each_entry_says_where_its_proof_is(api, log, reading, customer):
    [receipt] = await log.record([reading()])

    answer = await api(customer_caller(customer), path="/v1/my/accesses")

    entry = answer.json()["accesses"][1]
    assert entry["records"] == [receipt.record_id]
    assert entry["proof"] == f"/v1/my/accesses/{receipt.record_id}/proof"


async def test_after_the_persons_key_is_gone_nothing_points_at_them(
    api, log, destroy, as_owner, reading, customer, clerk
):
    order = ids.mint("ord")
    await log.record([reading(work=f"order/{order}")])
    leaves = "SELECT id, leaf FROM records"
    before = dict(await as_owner.fetch(leaves))
    await destroy(Place(customer, f"account/{customer}", "audit_tag"), now=datetime.now(UTC))

    answer = await api(customer_caller(customer), path="/v1/my/accesses")

    assert answer.json()["accesses"] == []
    assert before.items() <= dict(await as_owner.fetch(leaves)).items()


async def test_an_access_that_one_does_not_recognise_becomes_a_case(
    api, desk, log, records, reading, customer
):
    [receipt] = await log.record([reading()])

    answer = await api(
        customer_caller(customer), {"message": "Who was that?"}, path=objection(receipt.record_id)
    )

    assert answer.status_code == 201
    taken = desk[answer.json()["id"]]
    assert taken["record_id"] == receipt.record_id
    assert taken["subject_id"] == customer
    assert taken["message"].startswith("s1:key_")
    collected = await recorded(records, subject=customer, kind="collect")
    assert collected[0]["fields"] == {"seal": {"user.content.private": ["message"]}}


async def test_objecting_twice_or_without_a_word_is_one_case(api, desk, log, reading, customer):
    [receipt, other] = await log.record([reading(), reading()])
    who = customer_caller(customer)

    first = await api(who, {}, path=objection(receipt.record_id))
    again = await api(who, {"message": "Still!"}, path=objection(receipt.record_id))
    another = await api(who, {}, path=objection(other.record_id))

    assert first.json()["id"] == again.json()["id"] != another.json()["id"]
    assert len(desk) == 2


async def test_nobody_objects_to_what_is_not_about_them(api, desk, log, reading, customer, auditor):
    [receipt] = await log.record([reading()])

    stranger = await api(customer_caller(ids.mint("cus")), {}, path=objection(receipt.record_id))
    nothing = await api(customer_caller(customer), {}, path=objection(ids.mint("rec")))

    for answer in (stranger, nothing):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await api(staff(auditor), {}, path=objection(receipt.record_id))).status_code == 403
    assert (await api(VISITOR, {}, path=objection(receipt.record_id))).status_code == 401
    assert desk == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"message": ""}, "string_too_short"),
        ({"message": "4111 1111 1111 1111"}, "card_number"),
        ({"text": "?"}, "unknown_field"),
        ({"message": "\u202e"}, None),
    ],
)
async def test_what_cannot_be_said_is_refused(api, desk, log, reading, customer, body, code):
    [receipt] = await log.record([reading()])

    answer = await api(customer_caller(customer), body, path=objection(receipt.record_id))

    assert answer.status_code in {400, 422}
    if code is not None:
        assert code in answer.text
    assert desk == {}


async def test_an_objection_that_the_service_does_not_take_is_said_so(
    api, door, services, behind, log, reading, customer
):
    door.app.state.services = services
    [receipt] = await log.record([reading()])
    for status, said, expected in (
        (409, {"code": "too_many_open_cases", "title": "t"}, (409, "too_many_open_cases")),
        (500, {}, (503, "objection_not_taken")),
    ):
        behind.says("customers", "/v1/objections", said, method="POST", status=status)
        answer = await api(customer_caller(customer), {}, path=objection(receipt.record_id))
        assert (answer.status_code, answer.json()["code"]) == expected
