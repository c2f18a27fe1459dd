"""What a route says of itself to the gateway."""

from collections.abc import Sequence
from typing import Any


def route(
    *,
    purposes: Sequence[str],
    scope: str | None = None,
    new: str | None = None,
    idempotent: bool = False,
    answers: str | None = None,
    published: str | None = None,
) -> dict[str, Any]:
    """The `openapi_extra` of a route.

    `purposes`    the purposes it can be called for; any other is refused by the gateway
    `scope`       what the data keys of the values sealed on the way in belong to:
                  `account/caller`, `account/new`, `order/new`, `order/{order_id}`
    `new`         the prefix of the id that the gateway mints for the resource (`Privity-New-Id`)
    `idempotent`  `Idempotency-Key` is required, and the gateway adds the body's fingerprint
    `answers`     `session`: the gateway adds an access token; `session_end`: it revokes the
                  session's tokens before the request goes on; `search`: it records that somebody
                  searched, whether they find anything or not
    `published`   a view in the schema `published` of the service's database and its column that
                  the path's parameter names, as `addresses_v1.id`: what a customer would be
                  answered, a row each, columns named as the answer's members. The gateway may
                  read it there; for whatever it does not find there it asks the service
    """
    described: dict[str, Any] = {"purposes": list(purposes)}
    if scope is not None:
        described["scope"] = scope
    if new is not None:
        described["new"] = new
    if idempotent:
        described["idempotent"] = True
    if answers is not None:
        described["answers"] = answers
    if published is not None:
        described["published"] = published
    return {"x-privity": described}
