"""An access that a customer does not recognise becomes a complaint, once, through the gateway."""

import asyncio

from privity_contracts.ids import mint

from .casework import CONTENT, CaseWorker, read, staff

GATEWAY = {"privity_caller": "service", "privity_actor": "svc_privacy-gateway"}


async def file(door, customer, *, case=None, record=None, text="Who was that?", **instead):
    body = {
        "id": case or mint("cas"),
        "record_id": record or mint("rec"),
        "subject_id": customer.account_id,
        "message": door.sealing.seal(CONTENT, text),
        "fingerprint": "f" * 43,
    }
    return await door.ask("POST", "/v1/objections", body, **{**GATEWAY, **instead})


async def test_it_is_a_complaint_that_names_the_record(door, a_customer):
    customer, record = await a_customer(), mint("rec")

    opened = await file(door, customer, record=record)

    assert opened.status_code == 201
    case_id = opened.json()["id"]
    case = await read(door, f"/v1/cases/{case_id}", customer=customer)
    assert (case["kind"], case["record_id"], case["state"]) == ("complaint", record, "open")
    worker = CaseWorker(door)
    assert (await worker.take(case_id)).status_code == 200
    seen = await read(door, f"/v1/cases/{case_id}", **worker.on(case_id, "complaints"))
    assert seen["record_id"] == record


async def test_whoever_takes_complaints_finds_it_in_the_queue(door, a_customer):
    case_id = (await file(door, await a_customer())).json()["id"]

    page = await read(door, "/v1/case-queue?kind=complaint&limit=100", **staff("case_management"))

    assert case_id in [one["id"] for one in page["items"]]


async def test_the_same_record_twice_or_at_once_is_one_case(door, a_customer):
    customer, case, record = await a_customer(), mint("cas"), mint("rec")

    answers = await asyncio.gather(
        *(file(door, customer, case=case, record=record, text=f"{n}?") for n in range(4))
    )

    assert {(a.status_code, a.json()["id"]) for a in answers} == {(201, case)}
    messages = await read(door, f"/v1/cases/{case}/messages", customer=customer)
    assert len(messages["items"]) == 1


async def test_only_the_gateway_files_one(door, a_customer):
    customer = await a_customer()

    for who in ({"privity_actor": "svc_orders"}, staff("complaints")):
        assert (await file(door, customer, **who)).status_code == 403
