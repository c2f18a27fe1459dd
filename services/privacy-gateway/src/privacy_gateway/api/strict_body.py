"""A JSON body for the gateway's own routes: read in only one way, then held to its model."""

from typing import Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from privacy_gateway.domain.intake.card_numbers import CardNumberRefused, screen
from privacy_gateway.domain.intake.strict_json import parse_object

M = TypeVar("M", bound=BaseModel)


def body_of(model: type[M], *, random: frozenset[str] = frozenset()) -> Any:
    """A dependency that gives the body as a `model`.

    FastAPI's own reading keeps the last of duplicate members and lets NaN through. `random` are
    pointers of hashes, in whose digits a card number turns up by chance.
    """

    async def read(request: Request) -> M:
        body = await request.body()
        cards = screen(parse_object(body), exempt=random)
        if cards:
            raise CardNumberRefused(errors=cards)
        try:
            return model.model_validate_json(body)
        except ValidationError as exc:
            # As FastAPI raises it, so that it becomes a problem document in one place.
            raise RequestValidationError(
                [
                    {**error, "loc": ("body", *error["loc"])}
                    for error in exc.errors(include_input=False, include_url=False)
                ]
            ) from None

    read.body_model = model  # type: ignore[attr-defined]  # for what is published of the route
    return Depends(read)
