"""A customer's own addresses."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import StringConstraints

from customers.api import Subject, address_reader
from customers.domain import address_book
from customers.domain.address_book import AddressNotFound, Place
from customers.models import Address
from privity_contracts import Category, Contract, Sealed, route
from privity_contracts.ids import AddressId, SubjectId, is_id
from privity_database import Transaction
from privity_rest import Customer, Malformed, NotAllowed

router = APIRouter(prefix="/v1/addresses", tags=["addresses"])

Name = Annotated[Sealed, Category("user.name")]
Phone = Annotated[Sealed, Category("user.contact.phone_number")]
Street = Annotated[Sealed, Category("user.contact.address.street")]
City = Annotated[Sealed, Category("user.contact.address.city")]
Region = Annotated[Sealed, Category("user.contact.address.state")]
PostalCode = Annotated[Sealed, Category("user.contact.address.postal_code")]
# Readable, because shipping is computed with it.
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Category("user.contact.address.country")
]


class NewAddress(Contract, group="address"):
    recipient: Name
    phone: Phone
    line1: Street
    line2: Street | None = None
    city: City
    region: Region | None = None
    postal_code: PostalCode | None = None
    country: Country


class AddressView(Contract, subject="subject_id", scope="account/subject_id"):
    id: AddressId
    subject_id: SubjectId
    recipient: Name
    phone: Phone
    line1: Street
    line2: Street | None
    city: City
    region: Region | None
    postal_code: PostalCode | None
    country: Country


class Addresses(Contract):
    items: list[AddressView]


class Lean(APIRoute):
    """A route whose endpoint takes the request as it is.

    FastAPI reads its signature for the OpenAPI document alone. Resolving dependencies and
    validating the answer would cost more than the read does.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            answer: Response = await endpoint(request, **request.path_params)
            return answer

        return handle


async def one_address(request: Request, address_id: AddressId) -> Response:
    # The gateway asks for other services too, and then as the customer: nobody else gets in.
    headers = request.headers
    subject = headers.get("privity-subject")
    if headers.get("privity-caller") != "customer" or subject is None:
        raise NotAllowed("for customers only")
    if not is_id(address_id, "adr"):
        raise AddressNotFound
    body = await address_reader(request).one(address_id, account_id=subject)
    return Response(body, media_type="application/json")


router.add_api_route(
    "/{address_id}",
    one_address,
    methods=["GET"],
    response_model=AddressView,
    openapi_extra=route(
        purposes=["self_service", "service_operation"], published="addresses_v1.id"
    ),
    route_class_override=Lean,
)


@router.get("", response_model=Addresses, openapi_extra=route(purposes=["self_service"]))
async def own_addresses(subject: Subject, tx: Transaction) -> object:
    return {"items": [_view(one) for one in await address_book.everything(tx, subject)]}


@router.post(
    "",
    status_code=201,
    response_model=AddressView,
    openapi_extra=route(purposes=["self_service"], scope="account/caller", idempotent=True),
)
async def add_address(
    body: NewAddress, subject: Subject, caller: Customer, response: Response, tx: Transaction
) -> object:
    if caller.idempotency_key is None or caller.fingerprint is None:
        raise Malformed("Idempotency-Key is missing")
    address = await address_book.add(
        tx,
        subject,
        _place(body),
        idempotency_key=caller.idempotency_key,
        fingerprint=caller.fingerprint,
    )
    response.headers["Location"] = f"/v1/addresses/{address.id}"
    return _view(address)


@router.put(
    "/{address_id}",
    response_model=AddressView,
    openapi_extra=route(purposes=["self_service"], scope="account/caller"),
)
async def replace_address(
    address_id: AddressId, body: NewAddress, subject: Subject, tx: Transaction
) -> object:
    return _view(await address_book.replace(tx, subject, address_id, _place(body)))


@router.delete(
    "/{address_id}",
    status_code=204,
    response_model=None,
    openapi_extra=route(purposes=["self_service"]),
)
async def remove_address(address_id: AddressId, subject: Subject, tx: Transaction) -> None:
    await address_book.remove(tx, subject, address_id)


def _place(body: NewAddress) -> Place:
    return Place(**{name: getattr(body, name) for name in NewAddress.model_fields})


def _view(address: Address) -> dict[str, object]:
    fields = {name: getattr(address, name) for name in NewAddress.model_fields}
    return {"id": address.id, "subject_id": address.account_id, **fields}
