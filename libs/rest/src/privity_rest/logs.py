"""Log lines: one JSON object each, on standard output, with ids and codes and nothing else."""

import logging
from typing import Any

import orjson
import structlog

# One list for the process: loggers keep the one that they met first.
_PROCESSORS: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.JSONRenderer(serializer=orjson.dumps),
]


def configure() -> None:
    """For the process; called where it is put together."""
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
