"""Staff sign in here when the company has no identity provider of its own."""

import time

import orjson
from fastapi import APIRouter, Request, Response

from privacy_gateway.api import arrival, published
from privacy_gateway.domain.intake.card_numbers import screen
from privacy_gateway.domain.intake.strict_json import parse_object
from privacy_gateway.domain.staff.entrance import Entrance
from privity_rest import Unprocessable
from privity_rest.problems import safe_name


def router(entrance: Entrance) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/staff/sign-in", openapi_extra=published.json("username", "password"))
    async def sign_in(request: Request) -> Response:
        arrived = arrival.of(request)
        username, password = _credentials(arrived.body)
        signed_in = await entrance.sign_in(
            username=username,
            password=password,
            request_id=arrived.request_id,
            now=time.time(),
        )
        return Response(orjson.dumps(signed_in), media_type="application/json")

    return routes


def _credentials(body: bytes) -> tuple[str, str]:
    given = parse_object(body)
    wanted = ("username", "password")
    errors = [(f"/{safe_name(name)}", "unknown_field") for name in given if name not in wanted]
    errors += [(f"/{name}", "required") for name in wanted if name not in given]
    for name in wanted:
        value = given.get(name, "")
        if not isinstance(value, str):
            errors.append((f"/{name}", "string_type"))
        elif name in given and not 1 <= len(value) <= 1024:
            errors.append((f"/{name}", "length"))
    errors += screen(given)
    if errors:
        raise Unprocessable(errors=errors)
    return given["username"], given["password"]
