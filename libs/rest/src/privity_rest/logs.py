"""Log lines: one JSON object each, on standard output, with ids and codes and nothing else."""

import logging
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog


def _rendered(_: object, method: str, line: MutableMapping[str, Any]) -> bytes:
    """In one step: a line is written for each request."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return orjson.dumps({**line, "level": method, "timestamp": f"{now[:26]}Z"}, default=repr)


# One list for the process: loggers keep the one that they met first.
_PROCESSORS: list[Any] = [_rendered]


def configure() -> None:
    """For the process; called where it is put together."""
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
