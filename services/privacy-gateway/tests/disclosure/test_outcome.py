"""What a partner's answer means, by its status and nothing else."""

from datetime import UTC, datetime

import pytest

from privacy_gateway.domain.disclosure.outcome import Verdict, of_answer, waiting

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 201, 202, 204, 299), Verdict.DELIVERED),
        ((301, 302, 303, 307, 308, 304, 300), Verdict.REJECTED),
        ((400, 401, 403, 404, 405, 409, 413, 415, 422, 451), Verdict.REJECTED),
        ((410,), Verdict.GONE),
        ((429, 500, 502, 503, 504, 599), Verdict.RETRY),
    ],
)
def test_a_status_has_one_meaning(statuses: tuple[int, ...], verdict: Verdict) -> None:
    for status in statuses:
        outcome = of_answer(status, retry_after=None, now=NOW)

        assert (outcome.verdict, outcome.status) == (verdict, status)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7),
        ("0", 0),
        ("86400", 3600),
        ("999999999", 3600),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2099 12:00:00 GMT", 3600),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1e9", None),
        ("Mon, 99 Foo 99999 99:99:99", None),
        ("9999999999999", None),
    ],
)
def test_a_partner_may_ask_for_time_but_not_for_ever(
    header: str | None, seconds: int | None
) -> None:
    assert waiting(header, now=NOW) == seconds
