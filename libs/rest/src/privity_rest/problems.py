"""Refusals and bugs as problem documents (RFC 9457). No answer repeats what the client sent."""

import re
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from privity_rest.refusals import Refusal, Unprocessable

MEDIA_TYPE = "application/problem+json"
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DIGITS = re.compile(r"\d{5,}")
_CODES = {"extra_forbidden": "unknown_field", "missing": "required"}
_log = structlog.get_logger("privity.problems")


def document(
    *,
    status: int,
    code: str,
    title: str,
    detail: str | None = None,
    instance: str | None = None,
    errors: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    members: dict[str, Any] = {
        "type": f"urn:privity:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if detail:
        members["detail"] = detail
    if instance:
        members["instance"] = instance
    if errors:
        members["errors"] = [{"field": field, "code": reason} for field, reason in errors]
    return members


def safe_name(name: object) -> str:
    """A member's name, if it is one that a program chose; anything else may be somebody's data."""
    text = str(name)
    return text if _PLAIN_NAME.fullmatch(text) and not _DIGITS.search(text) else "…"


def pointer(path: tuple[object, ...]) -> str:
    """A JSON pointer whose member names are safe to show."""
    return "".join(f"/{p if isinstance(p, int) else safe_name(p)}" for p in path)


def answer(request: Request, refusal: Refusal) -> Response:
    headers = {}
    if refusal.retry_after is not None or refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(refusal.retry_after or 1)
    body = document(
        status=refusal.status,
        code=refusal.code,
        title=refusal.title,
        detail=refusal.detail,
        instance=request.scope.get("privity.request_id"),
        errors=refusal.errors,
    )
    return Response(
        orjson.dumps(body), status_code=refusal.status, media_type=MEDIA_TYPE, headers=headers
    )


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refusal)  # noqa: S101  # registered for Refusal only
    return answer(request, exc)


async def _invalid(request: Request, exc: Exception) -> Response:
    # FastAPI's own body for this echoes the input, passwords included.
    assert isinstance(exc, RequestValidationError)  # noqa: S101  # registered for it only
    errors = [
        (pointer(tuple(error["loc"][1:])), _CODES.get(error["type"], error["type"]))
        for error in exc.errors()
    ]
    return answer(request, Unprocessable(errors=errors))


async def _http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  # registered for it only
    phrase = HTTPStatus(exc.status_code).phrase
    body = document(
        status=exc.status_code,
        code=phrase.lower().replace(" ", "_").replace("-", "_"),
        title=phrase,
        instance=request.scope.get("privity.request_id"),
    )
    return Response(
        orjson.dumps(body),
        status_code=exc.status_code,
        media_type=MEDIA_TYPE,
        headers=exc.headers,
    )


def where(exc: BaseException) -> str:
    """File and line where it rose. The message stays behind: drivers put values into theirs."""
    trace, place = exc.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def bug(request_id: str | None, exc: BaseException) -> bytes:
    """Logs a bug without its message and gives the body of the answer."""
    _log.error("bug", request_id=request_id, exception=type(exc).__qualname__, where=where(exc))
    return orjson.dumps(
        document(
            status=500,
            code="internal_error",
            title="Something is broken on our side",
            instance=request_id,
        )
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
