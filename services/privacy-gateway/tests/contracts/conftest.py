"""A small service's contract, as FastAPI writes it."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query
from pydantic import Field, StringConstraints

from privacy_gateway.domain.policy import Policy, load
from privity_contracts import (
    OPERATIONAL,
    BlindIndex,
    Category,
    Contract,
    Sealed,
    Secret,
    carried,
    derived,
    route,
)
from privity_contracts.ids import BODY, OrderId, SubjectId

POLICY = Path(__file__).parents[2] / "policy" / "2026-11-22.yaml"

Name = Annotated[Sealed, Category("user.name")]
Email = Annotated[Sealed, Category("user.contact.email")]
Phone = Annotated[Sealed, Category("user.contact.phone_number")]
Street = Annotated[Sealed, Category("user.contact.address.street")]
City = Annotated[Sealed, Category("user.contact.address.city")]
PostalCode = Annotated[Sealed, Category("user.contact.address.postal_code")]
Country = Annotated[
    str, StringConstraints(pattern="^[A-Z]{2}$"), Category("user.contact.address.country")
]


class Address(Contract, group="address"):
    recipient: Name
    phone: Phone | None = None
    line1: Street
    line2: Street | None = None
    city: City
    postal_code: PostalCode | None = None
    country: Country


class Line(Contract):
    product: Annotated[
        str, StringConstraints(pattern=rf"^prd_{BODY}$"), Category("user.behavior.purchase_history")
    ]
    quantity: Annotated[int, Field(ge=1, le=99), Category("user.behavior.purchase_history")]


class Placement(Contract):
    lines: Annotated[list[Line], Field(min_length=1, max_length=3)]
    delivery: Annotated[
        Address, carried("address_id", service="customers", path="/v1/addresses/{address_id}")
    ]


class OrderView(Contract, subject="subject_id", scope="order/id"):
    id: OrderId
    subject_id: SubjectId
    lines: list[Line]
    delivery: Address | None


class OrderPage(Contract):
    items: list[OrderView]


class Registration(Contract):
    name: Name
    email: Email
    email_index: Annotated[BlindIndex, Category("user.contact.email"), derived("email")]
    password: Annotated[Secret, Category("user.authorization.password")]


class SignIn(Contract):
    email_index: Annotated[BlindIndex, Category("user.contact.email"), derived("email")]
    password: Annotated[Secret, Category("user.authorization.password")]


def shop() -> FastAPI:
    app = FastAPI()

    @app.post(
        "/v1/orders",
        openapi_extra=route(
            purposes=["self_service"], scope="order/new", new="ord", idempotent=True
        ),
    )
    async def place(body: Placement) -> OrderView: ...  # type: ignore[empty-body]

    @app.get("/v1/orders/{order_id}", openapi_extra=route(purposes=["self_service", "enquiries"]))
    async def read(order_id: OrderId) -> OrderView: ...  # type: ignore[empty-body]

    @app.get("/v1/orders", openapi_extra=route(purposes=["self_service"]))
    async def page(
        limit: Annotated[int, Query(ge=1, le=50), OPERATIONAL] = 20,
    ) -> OrderPage: ...  # type: ignore[empty-body]

    @app.put(
        "/v1/addresses/mine", openapi_extra=route(purposes=["self_service"], scope="account/caller")
    )
    async def put(body: Address) -> None: ...

    @app.post(
        "/v1/registrations",
        openapi_extra=route(purposes=["account_opening"], scope="account/new", new="cus"),
    )
    async def register(body: Registration) -> None: ...

    @app.post("/v1/sign-ins", openapi_extra=route(purposes=["authentication"]))
    async def sign_in(body: SignIn) -> None: ...

    return app


@pytest.fixture(scope="session")
def shop_contract() -> dict[str, Any]:
    return shop().openapi()


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy(load(POLICY))
