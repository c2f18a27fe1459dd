"""Cases: opened by whom they concern, seen by them and by who follows up, closed."""

import asyncio
from datetime import datetime, timedelta

import pytest

from customers.domain.case_opening import DUE_WITHIN, MOST_OPEN
from privity_contracts.ids import mint

from .casework import CaseWorker, close, open_case, read, staff, submitted, write


def plain(door, page):
    return [door.sealing.plaintexts[one["content"]] for one in page["items"]]


async def test_a_customer_opens_a_case_and_sees_what_they_wrote(door, a_customer):
    customer, order = await a_customer(), mint("ord")

    opened = await open_case(door, customer, text="Where is my tea?", order=order)

    assert opened.status_code == 201
    case_id = opened.json()["id"]
    assert opened.headers["location"] == f"/v1/cases/{case_id}"
    case = await read(door, f"/v1/cases/{case_id}", customer=customer)
    assert case["subject_id"] == customer.account_id
    assert (case["kind"], case["state"], case["order_id"]) == ("enquiry", "open", order)
    assert (case["assignee"], case["closed_at"], case["outcome"]) == (None, None, None)
    messages = await read(door, f"/v1/cases/{case_id}/messages", customer=customer)
    assert plain(door, messages) == ["Where is my tea?"]
    assert messages["items"][0]["from_customer"] is True
    mine = await read(door, "/v1/cases", customer=customer)
    assert [one["id"] for one in mine["items"]] == [case_id]


@pytest.mark.parametrize("kind", [each.value for each in DUE_WITHIN])
async def test_each_kind_of_case_has_its_due_date(door, a_customer, kind):
    customer = await a_customer()

    case_id = (await open_case(door, customer, kind=kind)).json()["id"]

    case = await read(door, f"/v1/cases/{case_id}", customer=customer)
    opened, due = (datetime.fromisoformat(case[name]) for name in ("opened_at", "due_at"))
    assert due - opened == next(d for each, d in DUE_WITHIN.items() if each == kind)
    assert due - opened <= timedelta(days=28)


async def test_the_same_request_twice_or_at_once_is_one_case(door, a_customer):
    customer, new_id = await a_customer(), mint("cas")

    answers = await asyncio.gather(*(open_case(door, customer, new_id=new_id) for _ in range(6)))
    other = await open_case(door, customer, new_id=new_id, privity_fingerprint="g" * 43)
    stranger = await open_case(door, await a_customer(), new_id=new_id)

    assert {(a.status_code, a.json()["id"]) for a in answers} == {(201, new_id)}
    messages = await read(door, f"/v1/cases/{new_id}/messages", customer=customer)
    assert len(messages["items"]) == 1
    for refused in (other, stranger):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_there_is_an_end_to_how_many_cases_wait(door, a_customer):
    customer = await a_customer()

    answers = await asyncio.gather(*(open_case(door, customer) for _ in range(MOST_OPEN + 3)))

    assert sorted(a.status_code for a in answers) == [201] * MOST_OPEN + [409] * 3
    page = await read(door, f"/v1/cases?limit={MOST_OPEN - 1}", customer=customer)
    rest = await read(door, f"/v1/cases?cursor={page['next_cursor']}", customer=customer)
    seen = [one["id"] for one in [*page["items"], *rest["items"]]]
    assert len(seen) == len(set(seen)) == MOST_OPEN
    assert rest["next_cursor"] is None
    await close(door, seen[0], "withdrawn", customer=customer)
    assert (await open_case(door, customer)).status_code == 201
    closed = await read(door, "/v1/cases?state=closed", customer=customer)
    assert [one["id"] for one in closed["items"]] == [seen[0]]


async def test_a_strangers_case_looks_like_no_case(door, a_customer):
    customer, stranger = await a_customer(), await a_customer()
    case_id = (await open_case(door, customer)).json()["id"]

    for wanted in (case_id, mint("cas"), "cas_1"):
        for part in ("", "/messages", "/history"):
            answer = await door.ask("GET", f"/v1/cases/{wanted}{part}", customer=stranger)
            assert answer.status_code in {404, 422}
        assert (await write(door, wanted, "Hello", customer=stranger)).status_code in {404, 422}
        answer = await close(door, wanted, "withdrawn", customer=stranger)
        assert answer.status_code in {404, 422}
    theirs = await door.ask("GET", f"/v1/cases/{case_id}", customer=stranger)
    nothing = await door.ask("GET", f"/v1/cases/{mint('cas')}", customer=stranger)
    assert theirs.json()["code"] == nothing.json()["code"] == "case_not_found"
    assert (await read(door, "/v1/cases", customer=stranger))["items"] == []


async def test_nobody_else_opens_or_reads_cases(door, a_customer):
    customer = await a_customer()
    case_id = (await open_case(door, customer)).json()["id"]
    for kind, actor in (
        ("service", "svc_orders"),
        ("partner", mint("rcp")),
        ("visitor", "visitor"),
    ):
        who = {"privity_caller": kind, "privity_actor": actor}

        opened = await open_case(door, customer, **who)
        seen = await door.ask("GET", f"/v1/cases/{case_id}", customer=customer, **who)

        assert (opened.status_code, seen.status_code) == (403, 403)


async def test_an_order_of_somebody_else_is_no_reason_for_a_case(door, a_customer):
    customer, stranger = await a_customer(), await a_customer()

    answer = await open_case(door, customer, order=mint("ord"), privity_subject=stranger.account_id)

    assert answer.status_code == 403


async def test_staff_open_a_case_for_the_customer_of_their_order(door, a_customer):
    customer, order = await a_customer(), mint("ord")
    at_work = staff("order_verification", work=f"order/{order}")

    opened = await open_case(door, customer, order=order, **at_work)
    elsewhere = await open_case(door, customer, order=mint("ord"), **at_work)
    without = await open_case(door, customer, **at_work)

    assert opened.status_code == 201
    assert [a.json()["code"] for a in (elsewhere, without)] == ["work_required"] * 2
    path = f"/v1/cases/{opened.json()['id']}"
    assert (await read(door, path, customer=customer))["order_id"] == order
    messages = await read(door, f"{path}/messages", customer=customer)
    assert messages["items"][0]["from_customer"] is False
    history = await read(door, f"{path}/history", customer=customer)
    assert [(c["what"], c["role"], c["actor"]) for c in history["items"]] == [
        ("opened", "support_1", None)
    ]


async def test_customer_and_assignee_write_to_each_other(door, a_customer):
    customer, worker = await a_customer(), CaseWorker(door)
    case_id = (await open_case(door, customer, text="one")).json()["id"]
    await worker.take(case_id)

    for number, who in (("two", worker.on(case_id)), ("three", None), ("four", None)):
        keywords = who or {"customer": customer}
        assert (await write(door, case_id, number, **keywords)).status_code == 201

    path = f"/v1/cases/{case_id}/messages"
    page = await read(door, f"{path}?limit=2", **worker.on(case_id))
    rest = await read(door, f"{path}?cursor={page['next_cursor']}", customer=customer)
    assert plain(door, page) + plain(door, rest) == ["one", "two", "three", "four"]
    sides = [one["from_customer"] for one in [*page["items"], *rest["items"]]]
    assert sides == [True, False, True, True]
    assert rest["next_cursor"] is None


async def test_a_message_sent_twice_is_written_once(door, a_customer):
    customer, new_id = await a_customer(), mint("csm")
    case_id = (await open_case(door, customer)).json()["id"]
    other_case = (await open_case(door, customer)).json()["id"]

    answers = [await write(door, case_id, "Hi", customer=customer, new_id=new_id) for _ in range(3)]
    other = await write(door, other_case, "Hi", customer=customer, new_id=new_id)

    assert [(a.status_code, a.json()["id"]) for a in answers] == [(201, new_id)] * 3
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    messages = await read(door, f"/v1/cases/{case_id}/messages", customer=customer)
    assert len(messages["items"]) == 2


async def test_readable_text_is_refused_and_not_repeated(door, a_customer):
    customer = await a_customer()
    body = {"kind": "enquiry", "message": "my neighbour Ludmilla"}

    answer = await door.ask("POST", "/v1/cases", body, customer=customer, **submitted("cas"))

    assert answer.status_code == 422
    assert "Ludmilla" not in answer.text


async def test_customers_may_withdraw_a_case_and_nothing_else(door, a_customer):
    customer = await a_customer()
    case_id = (await open_case(door, customer)).json()["id"]

    resolved = await close(door, case_id, "resolved", customer=customer)
    answers = [await close(door, case_id, "withdrawn", customer=customer) for _ in range(2)]
    afterwards = await write(door, case_id, "One more thing", customer=customer)

    assert resolved.status_code == 422
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["state"], answers[0].json()["outcome"]) == ("closed", "withdrawn")
    assert (afterwards.status_code, afterwards.json()["code"]) == (409, "case_closed")
    [event] = await door.events(case_id=case_id)
    assert (event["type"], event["data"]) == ("case.closed", {"case_id": case_id})


async def test_the_assignees_work_ends_when_the_case_is_closed(door, a_customer):
    customer, worker = await a_customer(), CaseWorker(door)
    case_id = (await open_case(door, customer)).json()["id"]
    await worker.take(case_id)

    closed = await close(door, case_id, "resolved", **worker.on(case_id))

    assert (closed.status_code, closed.json()["outcome"]) == (200, "resolved")
    for part in ("", "/messages", "/history"):
        answer = await door.ask("GET", f"/v1/cases/{case_id}{part}", **worker.on(case_id))
        assert (answer.status_code, answer.json()["code"]) == (409, "case_closed")
    again = await close(door, case_id, "not_justified", **worker.on(case_id))
    assert again.status_code == 409
    seen = await read(door, f"/v1/cases/{case_id}/history", customer=customer)
    assert [(c["what"], c["outcome"]) for c in seen["items"]] == [
        ("opened", None),
        ("assigned", None),
        ("closed", "resolved"),
    ]
    assert {(c["actor"], c["assignee"]) for c in seen["items"][1:]} == {(None, None)}
