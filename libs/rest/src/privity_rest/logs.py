"""Log lines: one JSON object each, on standard output, with ids and codes and nothing else."""

import logging
import re
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import structlog

from privity_rest.problems import where


class _Lines(structlog.BoundLoggerBase):
    """What structlog hands out as a logger: a line is written for each request, and structlog's own
    loggers take more than twice as long over one."""

    def info(self, event: str, **members: Any) -> None:
        self._say("info", event, members)

    def warning(self, event: str, **members: Any) -> None:
        self._say("warning", event, members)

    def error(self, event: str, **members: Any) -> None:
        self._say("error", event, members)

    def critical(self, event: str, **members: Any) -> None:
        self._say("critical", event, members)

    def _say(self, level: str, event: str, members: dict[str, Any]) -> None:
        members["event"] = event
        line: Any = members
        try:
            for processor in self._processors:
                line = processor(self._logger, level, line)
        except structlog.DropEvent:
            return
        self._logger.msg(line)


def _stamp(microseconds: int) -> str:
    """RFC 3339, in UTC."""
    second, part = divmod(microseconds, 1_000_000)
    return f"{_second(second)}.{part:06}Z"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _rendered(_: object, level: str, line: MutableMapping[str, Any]) -> bytes:
    """In one step."""
    line["level"], line["timestamp"] = level, _stamp(time.time_ns() // 1000)
    return orjson.dumps(line, default=repr)


# One list for the process: loggers keep the one that they met first.
_PROCESSORS: list[Any] = [_rendered]


class _WithoutMessage(logging.Filter):
    """What is said of an exception that nobody caught: its kind and where it rose. Its message, and
    the futures and arguments that asyncio prints along with it, may carry a value."""

    def filter(self, record: logging.LogRecord) -> bool:
        exc = record.exc_info[1] if record.exc_info else None
        if exc is not None:
            said = _ARGUMENTS.split(record.getMessage(), maxsplit=1)[0].strip()
            record.msg = f"{said}: {type(exc).__qualname__} at {where(exc)}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


_ARGUMENTS = re.compile(r"[(<\n]")
_WITHOUT_MESSAGE = _WithoutMessage()


def configure() -> None:
    """For the process; called where it is put together."""
    for name in ("asyncio", "uvicorn.error"):
        logging.getLogger(name).addFilter(_WITHOUT_MESSAGE)
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=_Lines,
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
