"""The JSON Schemas of what partners receive and report, for anyone."""

import orjson
from fastapi import APIRouter, Response

from privacy_gateway.domain.disclosure import schemas
from privity_rest import NotFound

router = APIRouter(prefix="/v1/schemas")


class SchemaNotFound(NotFound):
    code = "schema_not_found"


@router.get("")
async def names() -> dict[str, list[str]]:
    return {"schemas": [f"/v1/schemas/{name}" for name in schemas.NAMES]}


@router.get("/{name}")
async def one(name: str) -> Response:
    if name not in schemas.NAMES:
        raise SchemaNotFound
    # Written anew, because a file's line breaks are nobody's business.
    body = orjson.dumps(orjson.loads(schemas.document(name)))
    return Response(body, media_type="application/schema+json")
