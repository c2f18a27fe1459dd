"""What became of a delivery, read from the status of the partner's answer and nothing else."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

LONGEST_WAIT = 3600
_SECONDS = re.compile(r"[0-9]{1,9}")


class Verdict(StrEnum):
    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"
    GONE = "gone"
    NO_AGREEMENT = "no_agreement"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` is a code."""

    verdict: Verdict
    reason: str
    status: int | None = None
    retry_after_seconds: int | None = None


def of_answer(status: int, *, retry_after: str | None, now: datetime) -> Outcome:
    """Standard Webhooks: anything but 2xx is a failure, a redirect too."""
    if 200 <= status < 300:
        return Outcome(Verdict.DELIVERED, "accepted", status)
    if status == 410:
        return Outcome(Verdict.GONE, "endpoint_gone", status)
    if status == 429 or status >= 500:
        return Outcome(Verdict.RETRY, "try_later", status, waiting(retry_after, now=now))
    if 300 <= status < 400:
        return Outcome(Verdict.REJECTED, "redirect", status)
    return Outcome(Verdict.REJECTED, "refused", status)


def waiting(retry_after: str | None, *, now: datetime) -> int | None:
    """Seconds from a Retry-After header, at most an hour: a partner cannot park a delivery."""
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(retry_after):
        seconds = int(retry_after)
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return None
        seconds = int((until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
    return min(max(seconds, 0), LONGEST_WAIT)
