"""The ways of saying no. Messages hold ids only: they travel to the caller."""

from collections.abc import Sequence


class Refusal(Exception):
    """Expected, and turned into a problem document in one place. Everything else is a bug."""

    status: int = 400
    code: str = "refused"
    title: str = "The request was refused"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[tuple[str, str]] = (),
        retry_after: int | None = None,
    ) -> None:
        """`errors` are pairs of a JSON pointer (RFC 6901) and a code."""
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after


class Malformed(Refusal):
    status, code, title = 400, "malformed", "The request cannot be read"


class Unauthenticated(Refusal):
    status, code, title = 401, "unauthenticated", "Who is asking is not known"


class NotAllowed(Refusal):
    status, code, title = 403, "not_allowed", "This is not allowed"


class NotFound(Refusal):
    status, code, title = 404, "not_found", "There is no such thing"


class Conflict(Refusal):
    status, code, title = 409, "conflict", "The present state does not permit this"


class Unprocessable(Refusal):
    status, code, title = 422, "invalid", "Some members of the request are not valid"


class TooMany(Refusal):
    status, code, title = 429, "too_many", "Too many requests"


class Unavailable(Refusal):
    status, code, title = 503, "unavailable", "This cannot be done right now"
