"""A case becomes the work of somebody who works here, in a role that follows up such a case."""

import pytest

from privity_contracts import ids

from .conftest import the_case

KINDS = ["enquiry", "complaint", "feedback", "return", "rights_request"]


@pytest.fixture
async def staff_ids(gateway):
    names = ("kim", "lee", "owner", "privacy", "engineer", "officer")
    return {name: (await gateway.sign_in(name))["staff_id"] for name in names}


@pytest.fixture
def queued(house, an_order):
    """Lets customers hold a case of a kind, and answer to its being given to somebody."""

    async def make(kind="enquiry", *, assignee=None):
        order = await an_order(assignee=assignee)
        state = "open" if assignee is None else "assigned"
        the_case(house, order, assignee=assignee, state=state, kind=kind)
        answer = {
            "id": order.case,
            "kind": kind,
            "state": "assigned",
            "opened_at": "2026-11-22T10:00:00Z",
            "due_at": "2026-11-25T10:00:00Z",
            "assignee": assignee,
        }
        for way in ("assignment", "handover"):
            path = f"/v1/cases/{order.case}/{way}"
            house.says("customers", path, answer, method="POST")
        return order.case

    return make


def reached(house, case_id, way):
    """Whether the service heard of it."""
    path = f"/v1/cases/{case_id}/{way}"
    return any((method, where) == ("POST", path) for _, method, where, *_ in house.asked)


def refused_for(answer):
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == "/assignee"
    return error["code"]


async def test_a_case_is_given_to_nobody_who_does_not_work_here(
    gateway, house, queued, staff_ids, records
):
    giving = await gateway.grant("officer", "case_assignment", "shop")
    owner = await gateway.grant("owner", "staff_administration", "shop")
    case_id, path = await queued(), "/v1/staff"
    lee = f"{path}/{staff_ids['lee']}/deactivation"

    unknown = await gateway.post(
        f"/v1/cases/{case_id}/assignment", giving, {"assignee": ids.mint("stf")}
    )
    await gateway.post(lee, owner, {"reason": "suspended"})
    suspended = await gateway.post(
        f"/v1/cases/{case_id}/assignment", giving, {"assignee": staff_ids["lee"]}
    )
    before = reached(house, case_id, "assignment")
    await gateway.client.delete(lee, headers=owner)
    back = await gateway.post(
        f"/v1/cases/{case_id}/assignment", giving, {"assignee": staff_ids["lee"]}
    )

    assert [refused_for(unknown), refused_for(suspended)] == ["not_working_here"] * 2
    assert not before
    assert back.status_code == 200
    [leaf] = await records(suspended)
    assert (leaf["kind"], leaf["reason"]) == ("refusal", "not_working_here")


@pytest.mark.parametrize(
    ("kind", "fitting"),
    [
        ("enquiry", {"kim", "lee"}),
        ("complaint", {"kim", "lee"}),
        ("return", {"kim", "lee"}),
        ("feedback", {"kim", "lee", "owner"}),
        ("rights_request", {"privacy", "officer"}),
    ],
)
async def test_a_case_is_given_to_whose_role_follows_up_such_a_case(
    gateway, house, queued, staff_ids, kind, fitting
):
    giving = await gateway.grant("officer", "case_assignment", "shop")
    taken = set()
    for name, staff_id in staff_ids.items():
        case_id = await queued(kind)
        answer = await gateway.post(
            f"/v1/cases/{case_id}/assignment", giving, {"assignee": staff_id}
        )
        if answer.status_code == 200:
            taken.add(name)
        else:
            assert refused_for(answer) == "role_does_not_fit"
        assert reached(house, case_id, "assignment") == (answer.status_code == 200)

    assert taken == fitting


async def test_handing_over_is_held_to_the_same_and_back_into_the_queue_always_goes(
    gateway, house, queued, staff_ids
):
    case_id = await queued(assignee=staff_ids["kim"])
    path = f"/v1/cases/{case_id}/handover"
    at_work = await gateway.grant("kim", "enquiries", f"case/{case_id}")
    engineer = {"assignee": staff_ids["engineer"], "reason": "expertise"}

    refused = await gateway.post(path, at_work, engineer)
    unheard = reached(house, case_id, "handover")
    to_lee = await gateway.post(path, at_work, engineer | {"assignee": staff_ids["lee"]})
    back = await gateway.post(path, at_work, {"reason": "workload"})
    emptied = await gateway.post(path, at_work, {"assignee": None, "reason": "workload"})

    assert (refused_for(refused), unheard) == ("role_does_not_fit", False)
    assert [answer.status_code for answer in (to_lee, back, emptied)] == [200] * 3


@pytest.mark.parametrize("body", [{}, {"assignee": None}])
async def test_who_takes_a_case_is_held_to_it_themselves(gateway, house, queued, body):
    taking = await gateway.grant("kim", "case_management", "shop")
    theirs, anothers = await queued("enquiry"), await queued("rights_request")

    took = await gateway.post(f"/v1/cases/{theirs}/assignment", taking, body)
    refused = await gateway.post(f"/v1/cases/{anothers}/assignment", taking, body)

    assert took.status_code == 200
    assert refused_for(refused) == "role_does_not_fit"
    assert not reached(house, anothers, "assignment")


async def test_without_an_answer_about_the_case_nothing_is_given(gateway, house, queued, staff_ids):
    giving = await gateway.grant("officer", "case_assignment", "shop")
    case_id = await queued()
    house.says("customers", f"/v1/cases/{case_id}/work", {"id": case_id})

    answer = await gateway.post(
        f"/v1/cases/{case_id}/assignment", giving, {"assignee": staff_ids["lee"]}
    )

    assert answer.status_code == 503
    assert not reached(house, case_id, "assignment")
