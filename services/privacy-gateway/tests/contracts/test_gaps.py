"""Any gap between contracts and policy stops the start, and is named."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI, Query
from pydantic import ConfigDict, Field, StringConstraints

from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.policy import Policy, PolicyGap
from privity_contracts import OPERATIONAL, Category, Contract, Sealed, route
from privity_contracts.ids import SubjectId

COUNTRY = Category("user.contact.address.country")
Sku = Annotated[str, StringConstraints(pattern="^[A-Z]{3}$"), OPERATIONAL]


class NoCategory(Contract):
    size: int


class FreeText(Contract):
    note: Annotated[str, OPERATIONAL]


class UnsealedName(Contract, subject="subject_id", scope="account/subject_id"):
    subject_id: SubjectId
    name: Annotated[Sku, Category("user.name")]


class UnknownCategory(Contract):
    birth_date: Annotated[Sealed, Category("user.demographic.date_of_birth")]


class NameOfNobody(Contract):
    name: Annotated[Sealed, Category("user.name")]


class JsonLd(Contract, subject="subject_id", scope="account/subject_id"):
    model_config = ConfigDict(populate_by_name=True)

    subject_id: SubjectId
    country: Annotated[str, Field(alias="@land", pattern="^[A-Z]{2}$"), COUNTRY]


class Measured(Contract, subject="subject_id", scope="account/subject_id"):
    subject_id: SubjectId
    shoe_size: Annotated[int, Category("user.name")]


class Fine(Contract):
    sku: Sku


def of(app: FastAPI) -> dict[str, Any]:
    return {"shop": app.openapi()}


def with_answer(model: type[Contract], **extra: Any) -> FastAPI:
    app = FastAPI()

    path = extra.get("path", "/v1/things")

    @app.get(path, openapi_extra=route(purposes=extra.get("purposes", ["catalogue"])))
    async def things() -> model: ...  # type: ignore[valid-type]

    return app


def with_body(model: type[Contract], **extra: Any) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/things", openapi_extra=route(purposes=["catalogue"], scope=extra.get("scope")))
    async def things(body: model) -> None: ...  # type: ignore[valid-type]

    return app


def with_query(kind: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/v1/things", openapi_extra=route(purposes=["catalogue"]))
    async def things(q: Annotated[kind, Query()]) -> Fine: ...  # type: ignore[empty-body]

    return app


PlaceId = Annotated[str, StringConstraints(pattern="^[a-z]+$"), OPERATIONAL]


class Place(Contract, subject="subject_id", scope="account/subject_id"):
    id: PlaceId
    subject_id: SubjectId


class Amount(Place):
    cents: Annotated[int, OPERATIONAL]


def published(
    view: str, model: type[Contract] = Place, path: str = "/v1/places/{place}"
) -> FastAPI:
    app = FastAPI()
    said = route(purposes=["self_service"], published=view)

    if "{" not in path:

        @app.get(path, openapi_extra=said)
        async def places() -> model: ...  # type: ignore[valid-type]

    else:

        @app.get(path, openapi_extra=said)
        async def place(place: PlaceId) -> model: ...  # type: ignore[valid-type]

    return app


def without_purposes() -> FastAPI:
    app = FastAPI()

    @app.get("/v1/things")
    async def things() -> Fine: ...  # type: ignore[empty-body]

    return app


@pytest.mark.parametrize(
    ("app", "named"),
    [
        (lambda: with_answer(NoCategory), "answer.size: no category"),
        (lambda: with_body(NoCategory), "request.size: no category"),
        (lambda: with_body(FreeText), "request.note: free text that is not sealed"),
        (lambda: with_answer(UnsealedName), "answer.name: user.name must be sealed"),
        (lambda: with_body(UnknownCategory, scope="account/caller"), "is not in the policy"),
        (lambda: with_answer(NameOfNobody), "does not say whom it is about"),
        (lambda: with_body(NameOfNobody), "seals values without a scope"),
        (without_purposes, "no purposes"),
        (lambda: with_answer(JsonLd), "answer.@land: its name cannot be recorded"),
        (lambda: with_answer(Measured), "answer.shoe_size: user.name is no text here"),
        (lambda: with_answer(Fine, path="/v1/things/über"), "its path cannot be recorded"),
        (lambda: with_answer(Fine, purposes=["curiosity"]), "curiosity is no purpose"),
        (lambda: with_answer(Fine, purposes=["marketing"]), "marketing is forbidden"),
        (lambda: with_query(str), "parameter q: no category"),
        (lambda: with_query(Annotated[str, OPERATIONAL]), "free text does not travel in a URL"),
        (
            lambda: with_query(
                Annotated[str, StringConstraints(pattern="^x$"), Category("user.name")]
            ),
            "user.name does not travel in a URL",
        ),
        (lambda: published("places.id"), "published: no versioned view and column"),
        (lambda: published("places_v1.id; --"), "published: no versioned view and column"),
        (lambda: published("places_v1.number"), "published: number is not in the answer"),
        (lambda: published("places_v1.id", Amount), "published: cents is no text"),
        (lambda: published("places_v1.id", Fine), "does not say whom it is about"),
        (lambda: published("places_v1.id", path="/v1/places"), "only what is read by one id"),
    ],
)
def test_a_gap_is_named_and_nothing_starts(
    policy: Policy, app: Callable[[], FastAPI], named: str
) -> None:
    with pytest.raises(PolicyGap) as caught:
        Contracts(Offer(of(app())), policy)

    assert any(named in str(gap) for gap in caught.value.gaps), caught.value.gaps


def test_a_view_that_fits_its_route_is_no_gap(policy: Policy) -> None:
    Contracts(Offer(of(published("places_v1.id"))), policy)


def with_cases(*kinds: str) -> FastAPI:
    class Work(Contract):
        kind: Annotated[Literal[kinds], OPERATIONAL]  # type: ignore[valid-type]

    return with_answer(Work, path="/v1/cases/{case_id}/work", purposes=["internal"])


TAKEN_UP = ("enquiry", "complaint", "feedback", "return", "rights_request")


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        (TAKEN_UP, None),
        (TAKEN_UP[:-1], "purposes.rights_requests.cases: rights_request is no kind of case"),
        (("enquiries", *TAKEN_UP[1:]), "did you mean enquiries?"),
        ((*TAKEN_UP, "gossip"), "answer.kind: no purpose takes up a case about gossip"),
    ],
)
def test_purposes_take_up_the_kinds_of_cases_that_there_are(
    policy: Policy, kinds: tuple[str, ...], named: str | None
) -> None:
    says = [] if named is None else [named]
    try:
        Contracts(Offer(of(with_cases(*kinds))), policy)
        found = ""
    except PolicyGap as gap:
        found = str(gap)

    assert all(each in found for each in says)
    assert bool(found) == bool(says)


def with_consents(*names: str) -> FastAPI:
    members = {"__annotations__": dict.fromkeys(names, Annotated[bool, OPERATIONAL])}
    states = type("States", (Contract,), {**members, "__module__": __name__})
    path = "/v1/consents/{subject_id}/state"
    return with_answer(states, path=path, purposes=["internal"])


def test_a_purpose_needs_a_consent_that_can_be_given(policy: Policy) -> None:
    Contracts(Offer(of(with_consents("marketing", "profiling"))), policy)

    with pytest.raises(PolicyGap) as caught:
        Contracts(Offer(of(with_consents("marketting"))), policy)

    [gap] = caught.value.gaps
    assert gap.place == ("purposes", "newsletter", "needs_consent")
    assert "did you mean marketting?" in str(gap)


def test_without_a_gap_it_starts(policy: Policy) -> None:
    assert len(Contracts(Offer(of(with_answer(Fine))), policy).offer.routes) == 1
