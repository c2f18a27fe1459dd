"""A piece of work is theirs or not, open or not, and covers this much and no more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from privacy_gateway.clients.services import ServiceUnavailable
from privacy_gateway.domain.policy import Policy, load
from privacy_gateway.domain.work import NotTheirWork, Work, WorkBinding, WorkUnknown
from privacy_gateway.models import StaffMember
from privity_contracts import ids

PATH = max((Path(__file__).parents[2] / "policy").glob("*.yaml"))
POLICY = Policy(load(PATH))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CASE, ORDER, CUSTOMER = ids.mint("cas"), ids.mint("ord"), ids.mint("cus")
KIM, LEE = (StaffMember(id=ids.mint("stf"), sites=["north"]) for _ in range(2))
A_CASE = {
    "id": CASE,
    "kind": "enquiry",
    "state": "assigned",
    "subject_id": CUSTOMER,
    "order_id": ORDER,
    "assignee": KIM.id,
}
AN_ORDER = {
    "id": ORDER,
    "state": "paid",
    "site": "north",
    "updated_at": "2026-11-22T10:00:00Z",
    "total": 890,
}


@pytest.fixture
def check(services):
    work = Work(services, policy=lambda: POLICY)

    async def check(what, *, member=KIM, purpose="enquiries", now=NOW):
        return await work.check(
            what, member=member, purpose=purpose, request_id=ids.mint("req"), now=now
        )

    return check


@pytest.fixture
def the_case(behind):
    def is_(**changes):
        behind.says("customers", f"/v1/cases/{CASE}/work", A_CASE | changes)

    is_()
    return is_


@pytest.fixture
def the_order(behind):
    def is_(**changes):
        behind.says("orders", f"/v1/orders/{ORDER}", AN_ORDER | changes)

    is_()
    return is_


async def refusal(checking):
    with pytest.raises(NotTheirWork) as caught:
        await checking
    return caught.value.reason


async def test_a_case_covers_its_customer_and_its_order(check, the_case, behind):
    binding = await check(f"case/{CASE}")

    covered = {f"case/{CASE}", f"account/{CUSTOMER}", f"order/{ORDER}"}
    assert binding == WorkBinding(CUSTOMER, frozenset(covered), None)
    [(_, _, _, headers, _)] = behind.asked
    assert headers["Privity-Actor"] == "svc_privacy-gateway"
    assert headers["Privity-Caller"] == "service"
    assert headers["Authorization"] == "Bearer " + "k" * 32


async def test_a_case_about_no_order_covers_no_order(check, the_case):
    the_case(order_id=None)

    binding = await check(f"case/{CASE}")

    assert binding.scopes == {f"case/{CASE}", f"account/{CUSTOMER}"}


async def test_a_purpose_with_the_reach_of_a_person_opens_all_of_theirs(services, the_case):
    file = POLICY.file
    wide = file.purposes["enquiries"].model_copy(update={"reach": "person"})
    policy = Policy(file.model_copy(update={"purposes": {**file.purposes, "enquiries": wide}}))

    binding = await Work(services, policy=lambda: policy).check(
        f"case/{CASE}", member=KIM, purpose="enquiries", request_id=ids.mint("req"), now=NOW
    )

    assert binding == WorkBinding(CUSTOMER, None, None)


async def test_somebody_elses_case_and_no_case_are_refused_alike(check, the_case):
    assert await refusal(check(f"case/{CASE}", member=LEE)) == "work_not_yours"
    assert await refusal(check(f"case/{ids.mint('cas')}")) == "work_not_yours"
    the_case(assignee=None)
    assert await refusal(check(f"case/{CASE}")) == "work_not_yours"


@pytest.mark.parametrize("state", ["closed", "resolved", "", None, "Assigned"])
async def test_a_case_that_is_not_open_is_no_work(check, the_case, state):
    the_case(state=state)

    assert await refusal(check(f"case/{CASE}")) == "work_not_open"


KINDS = ["enquiry", "complaint", "feedback", "return", "rights_request"]
TAKES_CASES = [name for name, each in POLICY.file.purposes.items() if "case" in each.work]


@pytest.mark.parametrize("purpose", TAKES_CASES)
async def test_a_case_is_work_for_the_purposes_that_take_up_its_kind_alone(
    check, the_case, purpose
):
    listed = yaml.safe_load(PATH.read_text())["purposes"]
    wanted = listed[purpose].get("cases") or listed[listed[purpose]["inherits"]]["cases"]
    for kind in [*KINDS, "Enquiry", "", None, ["enquiry"]]:
        the_case(kind=kind)
        if kind in wanted:
            assert (await check(f"case/{CASE}", purpose=purpose)).subject == CUSTOMER
        else:
            refused = await refusal(check(f"case/{CASE}", purpose=purpose))
            assert refused == "case_kind_not_allowed"


async def test_an_enquiry_serves_for_no_return_and_for_no_right(check, the_case):
    for purpose in ("returns", "refunds", "complaints", "rights_requests", "identity_verification"):
        assert await refusal(check(f"case/{CASE}", purpose=purpose)) == "case_kind_not_allowed"


async def test_an_order_of_ones_site_covers_that_order_alone(check, the_order):
    binding = await check(f"order/{ORDER}", purpose="order_verification")

    assert binding == WorkBinding(None, frozenset({f"order/{ORDER}"}), "north")


async def test_an_order_of_another_site_and_no_order_are_refused_alike(check, the_order):
    the_order(site="south")
    asked = {"purpose": "order_verification"}
    assert await refusal(check(f"order/{ORDER}", **asked)) == "work_not_yours"
    assert await refusal(check(f"order/{ids.mint('ord')}", **asked)) == "work_not_yours"


@pytest.mark.parametrize("state", ["delivered", "cancelled"])
async def test_an_order_stays_work_for_a_while_after_it_ended(check, the_order, state):
    days = timedelta(days=POLICY.file.limits.order_days)
    ended = datetime(2026, 11, 22, 10, tzinfo=UTC)
    the_order(state=state)
    asked = {"purpose": "order_verification"}

    assert await check(f"order/{ORDER}", **asked, now=ended + days)

    late = ended + days + timedelta(seconds=1)
    assert await refusal(check(f"order/{ORDER}", **asked, now=late)) == "work_not_open"


async def test_an_order_under_way_is_work_however_old_it_is(check, the_order):
    the_order(state="packed", updated_at="2020-01-01T00:00:00Z")

    assert await check(f"order/{ORDER}", purpose="order_verification")


async def test_a_site_covers_its_orders_and_nothing_else(check, behind):
    binding = await check("site/north", purpose="warehousing")

    assert binding == WorkBinding(None, frozenset({"order/*"}), "north")
    assert await refusal(check("site/south", purpose="warehousing")) == "work_not_yours"
    assert behind.asked == []


async def test_shop_wide_work_is_for_purposes_that_concern_no_customer(check):
    assert await check("shop", purpose="catalogue_management") == WorkBinding(None, None, None)


# The policy names the kinds of work for each purpose: (work, purpose) that do not go together.
OTHER_KINDS = [
    (f"order/{ORDER}", "enquiries"),
    ("site/north", "enquiries"),
    ("shop", "enquiries"),
    ("shop", "warehousing"),
    (f"case/{CASE}", "warehousing"),
    ("site/north", "catalogue_management"),
    (f"case/{CASE}", "catalogue_management"),
    ("none", "break_glass"),
    ("shop", "break_glass"),
    ("shop/north", "catalogue_management"),
    ("site/", "warehousing"),
    ("site/../north", "warehousing"),
    (f"case/{ORDER}", "enquiries"),
    (f"case/{CASE}/work", "enquiries"),
    ("", "enquiries"),
]


@pytest.mark.parametrize(("what", "purpose"), OTHER_KINDS)
async def test_another_kind_of_work_is_none(check, the_case, the_order, behind, what, purpose):
    assert await refusal(check(what, purpose=purpose)) == "work_kind_not_allowed"
    assert behind.asked == []


BROKEN = [
    {"id": ids.mint("cas")},
    {"subject_id": None},
    {"subject_id": "anna@shop.example"},
    {"order_id": "order"},
]


@pytest.mark.parametrize("changes", BROKEN)
async def test_an_answer_that_makes_no_sense_grants_nothing(check, the_case, changes):
    the_case(**changes)

    with pytest.raises(WorkUnknown):
        await check(f"case/{CASE}")


@pytest.mark.parametrize("status", [500, 503, 401, 302])
async def test_a_service_in_trouble_grants_nothing(check, behind, status):
    behind.says("customers", f"/v1/cases/{CASE}/work", A_CASE, status=status)

    with pytest.raises(WorkUnknown):
        await check(f"case/{CASE}")


async def test_a_service_that_does_not_listen_grants_nothing(check, behind):
    (behind.folder / "customers.sock").unlink()

    with pytest.raises(ServiceUnavailable):
        await check(f"case/{CASE}")
