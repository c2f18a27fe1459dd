"""Customers, for staff: the one whom the work is about, and finding whoever turns to us."""

from typing import Annotated

from fastapi import APIRouter

from customers.api.case_views import FOLLOWING_UP
from customers.domain import customer_reach
from customers.domain.customer_reach import FINDING, MOST_FOUND
from privity_contracts import OPERATIONAL, BlindIndex, Category, Contract, Sealed, derived, route
from privity_contracts.ids import SubjectId
from privity_database import Transaction
from privity_rest import AnyCaller, Unprocessable

router = APIRouter(prefix="/v1/customers", tags=["customers"])
READERS = [*FOLLOWING_UP, "identity_verification", "break_glass"]
SEARCHERS = [FINDING, "enquiries", "identity_verification"]

EMAIL = Category("user.contact.email")
PHONE = Category("user.contact.phone_number")


class CustomerView(Contract, subject="id", scope="account/id"):
    id: SubjectId
    name: Annotated[Sealed, Category("user.name")]
    email: Annotated[Sealed, EMAIL]
    phone: Annotated[Sealed, PHONE]


class CustomerSearch(Contract):
    """By what somebody says their address or number is. It is compared and goes no further than
    the gateway."""

    email_index: Annotated[BlindIndex, EMAIL, derived("email")] | None = None
    phone_index: Annotated[BlindIndex, PHONE, derived("phone")] | None = None


class CustomersFound(Contract):
    items: list[CustomerView]
    more: Annotated[bool, OPERATIONAL]


@router.get("/{subject_id}", response_model=CustomerView, openapi_extra=route(purposes=READERS))
async def read_customer(subject_id: SubjectId, caller: AnyCaller, tx: Transaction) -> object:
    within = customer_reach.of_work(caller)
    return await customer_reach.find(tx, subject_id, within=within)


@router.post(
    "/searches",
    response_model=CustomersFound,
    openapi_extra=route(purposes=SEARCHERS, answers="search"),
)
async def search_customers(body: CustomerSearch, caller: AnyCaller, tx: Transaction) -> object:
    if body.email_index is None and body.phone_index is None:
        raise Unprocessable(errors=[("/email", "required"), ("/phone", "required")])
    found = await customer_reach.search(
        tx,
        email=body.email_index,
        phone=body.phone_index,
        within=customer_reach.of_search(caller),
    )
    return {"items": found[:MOST_FOUND], "more": len(found) > MOST_FOUND}
