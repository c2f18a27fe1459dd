"""The rules that are pure: which state follows which, what is tax, who packs."""

import itertools
from dataclasses import replace

import pytest

from orders.domain import sites, states, tax
from orders.domain.access import Reach, WorkRequired, reach
from orders.domain.states import MOVES, Party
from orders.models import State
from privity_rest import Caller, NotAllowed

ORDER = list(State)[:8]  # in the order in which they follow each other; CANCELLED is apart


@pytest.mark.parametrize(
    ("before", "to", "by", "may"),
    [
        (State.PLACED, State.PAID, Party.PAYMENT, True),
        (State.PLACED, State.PAID, Party.CUSTOMER, False),
        (State.PLACED, State.CONFIRMED, Party.VERIFIER, False),
        (State.PAID, State.CONFIRMED, Party.VERIFIER, True),
        (State.PAID, State.CONFIRMED, Party.PACKER, False),
        (State.PAID, State.PACKED, Party.PACKER, False),
        (State.CONFIRMED, State.PACKED, Party.PACKER, True),
        (State.CONFIRMED, State.DELIVERED, Party.CARRIER, False),
        (State.PACKED, State.IN_TRANSIT, Party.CARRIER, True),
        (State.PACKED, State.DELIVERED, Party.CARRIER, True),
        (State.IN_TRANSIT, State.HANDED_OVER, Party.CARRIER, False),
        (State.PLACED, State.CANCELLED, Party.CUSTOMER, True),
        (State.PLACED, State.CANCELLED, Party.CLOCK, True),
        (State.CONFIRMED, State.CANCELLED, Party.SUPPORT, True),
        (State.CONFIRMED, State.CANCELLED, Party.CARRIER, False),
        (State.PACKED, State.CANCELLED, Party.SUPPORT, False),
        (State.CANCELLED, State.PAID, Party.PAYMENT, False),
        (State.DELIVERED, State.CANCELLED, Party.CUSTOMER, False),
    ],
)
def test_who_may_move_an_order(before: State, to: State, by: Party, *, may: bool) -> None:
    assert states.may_move(before, to, by=by) is may


def test_nothing_moves_backwards_or_out_of_an_end() -> None:
    for before, to, by in itertools.product(State, State, Party):
        if states.may_move(before, to, by=by):
            assert before not in (State.CANCELLED, State.DELIVERED)
            assert to is State.CANCELLED or ORDER.index(before) < ORDER.index(to)


def test_every_state_but_the_first_can_be_reached() -> None:
    assert set(MOVES) == set(State) - {State.PLACED}


@pytest.mark.parametrize(
    ("total", "country", "tax_within"),
    [
        (11900, "DE", 1900),
        (12000, "AT", 2000),
        (1, "DE", 0),
        (3, "DE", 0),
        (4, "DE", 1),
        (12550, "FI", 2550),
        (11900, "US", 0),
        (0, "DE", 0),
    ],
)
def test_the_tax_that_a_total_contains(total: int, country: str, tax_within: int) -> None:
    assert tax.contained(total, rate=tax.rate(country)) == tax_within


@pytest.mark.parametrize(
    ("country", "site"), [("DE", "north"), ("IT", "south"), ("PT", "south"), ("JP", "north")]
)
def test_the_near_site_packs(country: str, site: str) -> None:
    assert sites.site_for(country) == site


def a_caller(kind: str, *, work: str | None = None, subject: str | None = None) -> Caller:
    return Caller(kind=kind, actor="a", role="r", purpose="p", work=work, subject=subject)


def test_whom_a_caller_reaches() -> None:
    assert reach(a_caller("customer", subject="cus_1")) == Reach(subject="cus_1")
    assert reach(a_caller("staff", work="order/ord_1")) == Reach(order="ord_1")
    assert reach(a_caller("staff", work="site/north")) == Reach(site="north")
    assert reach(a_caller("service")) == Reach()


def a_case(*scopes: str, everything: bool = False, subject: str | None = "cus_1") -> Caller:
    covered = None if everything else frozenset({"case/cas_1", "account/cus_1", *scopes})
    return replace(a_caller("staff", work="case/cas_1"), work_subject=subject, work_scopes=covered)


def test_a_case_reaches_the_order_that_it_is_about() -> None:
    assert reach(a_case("order/ord_1")) == Reach(subject="cus_1", order="ord_1")
    assert reach(a_case(everything=True)) == Reach(subject="cus_1")
    for about_none in (a_case(), a_case("order/ord_1", subject=None)):
        with pytest.raises(WorkRequired):
            reach(about_none)


def test_whoever_broke_the_glass_reaches_any_order() -> None:
    assert reach(a_caller("staff", work="break-glass/brk_1")) == Reach()


@pytest.mark.parametrize(
    "work", [None, "", "order/", "site/", "case/cas_1", "shop", "break-glass", "everything"]
)
def test_staff_without_work_of_ours_reach_nothing(work: str | None) -> None:
    with pytest.raises(WorkRequired):
        reach(a_caller("staff", work=work))


@pytest.mark.parametrize("kind", ["visitor", "partner", "customer"])
def test_others_reach_nothing(kind: str) -> None:
    with pytest.raises(NotAllowed):
        reach(a_caller(kind))


def test_reach_narrows_by_everything_it_names() -> None:
    seen = {"order": "ord_1", "subject": "cus_1", "site": "north"}

    assert Reach().includes(**seen)
    assert Reach(subject="cus_1").includes(**seen)
    assert not Reach(subject="cus_2").includes(**seen)
    assert not Reach(order="ord_2").includes(**seen)
    assert not Reach(site="south").includes(**seen)
