"""What a route's answer says of the view that it is published in."""

import re
from collections.abc import Iterator

from privacy_gateway.clients.published import NAME, View
from privacy_gateway.domain.contracts.document import Route, Schema, nullable

_PUBLISHED = re.compile(r"([a-z][a-z0-9_]*_v[0-9]+)\.([a-z][a-z0-9_]*)")


def view_of(route: Route) -> View | None:
    """Of a route without gaps; nothing if it is not published. Columns are the answer's members."""
    if route.published is None or route.answer is None:
        return None
    name, _, key = route.published.partition(".")
    return View(
        name=name,
        key=key,
        subject=route.answer["x-privity-subject"],
        columns=tuple(route.answer["properties"]),
    )


def publication_gaps(route: Route) -> Iterator[tuple[str, str, str]]:
    if route.published is None:
        return
    named = _PUBLISHED.fullmatch(route.published)
    if named is None:
        yield "published", "no versioned view and column", "name them as in `addresses_v1.id`"
    if route.method != "GET" or [p.place for p in route.parameters] != ["path"]:
        yield "published", "only what is read by one id is published", "remove it"
    answer = route.answer or {}
    members = answer.get("properties", {})
    if answer.get("x-privity-subject") not in members:
        yield "published", "its answer does not say whom it is about", "name the object's subject"
    if named is not None and named[2] not in members:
        yield "published", f"{named[2]} is not in the answer", "name the member that the path names"
    for name, schema in members.items():
        if NAME.fullmatch(name) is None or not _is_text(schema):
            yield "published", f"{name} is no text", "a view holds what is text in the answer"


def _is_text(schema: Schema) -> bool:
    inner, _ = nullable(schema)
    return inner.get("type") == "string" and "format" not in inner
