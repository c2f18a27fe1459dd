"""Who follows up which case: the queue, taking, giving out, handing over."""

import asyncio

import pytest

from privity_contracts.ids import mint

from .casework import CaseWorker, close, open_case, read, staff

HANDOVER = {"reason": "workload"}


async def everything_to_do(door, query="", **who):
    found, cursor = [], None
    while True:
        path = f"/v1/case-queue?limit=50{query}" + (f"&cursor={cursor}" if cursor else "")
        page = await read(door, path, **who)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def a_case(door, a_customer, kind="enquiry"):
    customer = await a_customer()
    return customer, (await open_case(door, customer, kind=kind)).json()["id"]


async def hand_over(door, case_id, body, **who):
    return await door.ask("POST", f"/v1/cases/{case_id}/handover", body, **who)


async def test_the_queue_is_in_order_of_urgency_and_names_no_customer(door, a_customer):
    customer, later = await a_case(door, a_customer, "rights_request")
    sooner = (await open_case(door, customer)).json()["id"]
    gone = (await open_case(door, customer)).json()["id"]
    await close(door, gone, "withdrawn", customer=customer)

    queue = await everything_to_do(door, **staff("case_management"))

    ids = [one["id"] for one in queue]
    assert ids.index(sooner) < ids.index(later)
    assert gone not in ids
    assert len(ids) == len(set(ids))
    assert set(queue[0]) == {"id", "kind", "state", "opened_at", "due_at", "assignee"}
    assert customer.account_id not in str(queue)
    asked = await everything_to_do(door, "&kind=rights_request", **staff("case_management"))
    assert later in [one["id"] for one in asked]
    assert sooner not in [one["id"] for one in asked]


async def test_of_several_who_take_a_case_at_once_one_has_it(door, a_customer):
    _, case_id = await a_case(door, a_customer)
    workers = [CaseWorker(door) for _ in range(5)]

    answers = await asyncio.gather(*(worker.take(case_id) for worker in workers))

    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
    winner = next(w for w, a in zip(workers, answers, strict=True) if a.status_code == 200)
    assert (await winner.take(case_id)).json()["assignee"] == winner.id
    mine = await everything_to_do(door, "&mine=true", **staff("case_management", actor=winner.id))
    assert [(one["id"], one["state"]) for one in mine] == [(case_id, "assigned")]
    [event] = await door.events(case_id=case_id)
    assert event["type"] == "case.assigned"
    assert event["data"] == {"case_id": case_id, "assignee": winner.id}


async def test_who_takes_cases_gives_none_to_others(door, a_customer):
    _, case_id = await a_case(door, a_customer)
    path, colleague = f"/v1/cases/{case_id}/assignment", mint("stf")

    pushed = await door.ask("POST", path, {"assignee": colleague}, **staff("case_management"))
    given = await door.ask("POST", path, {"assignee": colleague}, **staff("case_assignment"))

    assert pushed.status_code == 403
    assert (given.status_code, given.json()["assignee"]) == (200, colleague)


async def test_only_the_assignee_reads_a_case_and_only_as_of_now(door, a_customer):
    _, case_id = await a_case(door, a_customer)
    first, second = CaseWorker(door), CaseWorker(door)
    assert (await door.ask("GET", f"/v1/cases/{case_id}", **first.on(case_id))).status_code == 404
    await first.take(case_id)
    assert (await read(door, f"/v1/cases/{case_id}", **first.on(case_id)))["assignee"] == first.id

    body = {"assignee": second.id, **HANDOVER}
    handed = await hand_over(door, case_id, body, **first.on(case_id))

    assert (handed.status_code, handed.json()["assignee"]) == (200, second.id)
    for part in ("", "/messages", "/history"):
        path = f"/v1/cases/{case_id}{part}"
        assert (await door.ask("GET", path, **first.on(case_id))).status_code == 404
        assert (await door.ask("GET", path, **second.on(case_id))).status_code == 200
    elsewhere = await door.ask("GET", f"/v1/cases/{case_id}", **second.on(mint("cas")))
    assert elsewhere.status_code == 404
    without = await door.ask("GET", f"/v1/cases/{case_id}", **staff("enquiries", actor=second.id))
    assert (without.status_code, without.json()["code"]) == (403, "work_required")
    types = [one["type"] for one in await door.events(case_id=case_id, assignee=second.id)]
    assert types == ["case.handed_over"]


async def test_a_case_goes_back_into_the_queue(door, a_customer):
    _, case_id = await a_case(door, a_customer)
    worker = CaseWorker(door)
    await worker.take(case_id)

    back = await hand_over(door, case_id, HANDOVER, **worker.on(case_id))

    assert (back.json()["state"], back.json()["assignee"]) == ("open", None)
    assert (await CaseWorker(door).take(case_id)).status_code == 200


async def test_who_gives_out_cases_moves_them_and_sees_their_history(door, a_customer):
    customer, case_id = await a_case(door, a_customer)
    lead, worker, colleague = staff("case_assignment"), CaseWorker(door), mint("stf")
    nobodys = await hand_over(door, case_id, {"assignee": colleague, **HANDOVER}, **lead)
    await worker.take(case_id)

    body = {"assignee": colleague, "reason": "escalation"}
    moved = [await hand_over(door, case_id, body, **lead) for _ in range(2)]

    assert (nobodys.status_code, nobodys.json()["code"]) == (409, "not_assigned")
    assert [(a.status_code, a.json()["assignee"]) for a in moved] == [(200, colleague)] * 2
    history = (await read(door, f"/v1/cases/{case_id}/history", **lead))["items"]
    assert [(c["what"], c["assignee"], c["reason"]) for c in history] == [
        ("opened", None, None),
        ("assigned", worker.id, None),
        ("handed_over", colleague, "escalation"),
    ]
    seen = (await read(door, f"/v1/cases/{case_id}/history", customer=customer))["items"]
    assert {(c["assignee"], c["reason"]) for c in seen} == {(None, None)}
    assert worker.id not in str(seen)
    for part in ("", "/messages"):
        answer = await door.ask("GET", f"/v1/cases/{case_id}{part}", **staff("case_management"))
        assert answer.status_code == 403


async def test_a_handover_needs_a_reason_from_the_list(door, a_customer):
    _, case_id = await a_case(door, a_customer)
    worker = CaseWorker(door)
    await worker.take(case_id)

    for body in ({}, {"reason": "because"}, {"reason": None}):
        assert (await hand_over(door, case_id, body, **worker.on(case_id))).status_code == 422


async def test_a_closed_case_is_nobodys_any_more(door, a_customer):
    customer, case_id = await a_case(door, a_customer)
    await close(door, case_id, "withdrawn", customer=customer)

    taken = await CaseWorker(door).take(case_id)
    given = await hand_over(door, case_id, HANDOVER, **staff("case_assignment"))

    assert [(a.status_code, a.json()["code"]) for a in (taken, given)] == [(409, "case_closed")] * 2


async def test_customers_and_other_purposes_have_no_queue(door, a_customer):
    customer, case_id = await a_case(door, a_customer)
    others = ({"customer": customer}, staff("enquiries", work=f"case/{case_id}"), {})

    for who in others:
        assert (await door.ask("GET", "/v1/case-queue", **who)).status_code == 403
        path = f"/v1/cases/{case_id}/assignment"
        assert (await door.ask("POST", path, {}, **who)).status_code == 403
    assert (await hand_over(door, case_id, HANDOVER, customer=customer)).status_code == 403


@pytest.mark.parametrize("actor", ["svc_privacy-gateway", "svc_orders"])
async def test_the_gateway_alone_asks_whose_work_a_case_is(door, a_customer, actor):
    customer, case_id = await a_case(door, a_customer)
    worker = CaseWorker(door)
    await worker.take(case_id)
    service = {"privity_caller": "service", "privity_actor": actor}

    answer = await door.ask("GET", f"/v1/cases/{case_id}/work", **service)

    if actor != "svc_privacy-gateway":
        assert answer.status_code == 403
        return
    assert answer.json() == {
        "id": case_id,
        "kind": "enquiry",
        "state": "assigned",
        "subject_id": customer.account_id,
        "order_id": None,
        "assignee": worker.id,
    }
    unknown = await door.ask("GET", f"/v1/cases/{mint('cas')}/work", **service)
    assert unknown.status_code == 404
