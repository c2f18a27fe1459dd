"""The whole life of orders, night by night for nine years, in two countries with different rules.

What has to be left is worked out here from the calendar alone, beside the policy's own machinery.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from privacy_gateway.domain.retention.sweep import sweep

from .test_retention import DAY, hear, late

EVERY_NIGHT = "PRIVITY_NIGHTS" in os.environ  # `make torture`; else around every end, and a few
YEARS = 9
BOOKS_YEARS = {"DE": 8, "ES": 6}
# Days after it was placed on which an order's events happen; the last of them is its end.
LIVES = {
    "delivered": {"order.delivered": 4},
    "cancelled and refunded": {"order.cancelled": 1, "order.refunded": 6},
    "sent back and refunded": {"order.delivered": 3, "order.returned": 40, "order.refunded": 75},
    "refunded after a year": {"order.delivered": 5, "order.refunded": 370},
}
CLOSED = 800
"""The day on which the first of each country closes the account."""


def months_later(at, months):
    """The same day of a later month, or its last."""
    count = at.month - 1 + months
    for day in range(at.day, 27, -1):
        try:
            return at.replace(year=at.year + count // 12, month=count % 12 + 1, day=day)
        except ValueError:
            continue
    return at.replace(year=at.year + count // 12, month=count % 12 + 1)


@dataclass
class Life:
    """A person with one order; `told` is what has happened so far, by event."""

    person: object
    country: str
    events: dict[str, datetime]
    closed_at: datetime | None
    told: set[str] = field(default_factory=set)

    def ends(self):
        """When each class of the order, the case and the account has to be gone."""
        books = 12 * BOOKS_YEARS[self.country]
        found = {
            ("order", "identity"): self._end(lambda at: at + 90 * DAY),
            ("order", "delivery"): self._end(lambda at: at + 90 * DAY),
            ("order", "payment"): self._end(lambda at: months_later(at, 18)),
            ("order", "books"): self._end(lambda at: months_later(at, books)),
            ("case", "case"): months_later(max(self.events.values()), 24),
        }
        account = ("identity", "delivery", "credentials")
        found |= {("account", each): self.closed_at for each in account}
        found["account", "consent"] = self.closed_at and months_later(self.closed_at, 36)
        return found

    def _end(self, later):
        """Counted from the latest event there was by then: one that comes afterwards brings
        nothing back."""
        moments = sorted(self.events.values())
        following = [*moments[1:], datetime.max.replace(tzinfo=UTC)]
        return next(later(at) for at, then in zip(moments, following, strict=True)
                    if later(at) <= then)  # fmt: skip

    def left(self, now):
        return {place for place, end in self.ends().items() if end is None or now < end}


def really_left(town, person):
    return {
        (scope.partition("/")[0], town.classes[category])
        for (subject, scope), held in town.held.items()
        if subject == person.id
        for category in held.fields
    }


async def test_nothing_goes_early_and_nothing_is_late_on_any_night_of_nine_years(
    means, a_person, town, clock, record_figures
):
    began = clock.now
    lives = []
    for country in BOOKS_YEARS:
        for number, days in enumerate(LIVES.values()):
            happens = {name: began + at * DAY for name, at in days.items()}
            closed = began + CLOSED * DAY if number == 0 else None
            lives.append(Life(await a_person(country=country), country, happens, closed))
    ends = [end for life in lives for end in life.ends().values() if end is not None]

    async def happen(life, until):
        for name, at in life.events.items():
            if at <= until and name not in life.told:
                clock.now = at
                life.told.add(name)
                order = life.person.order.partition("/")[2]
                about = {"subject_id": life.person.id, "country": life.country.lower()}
                await hear(means, name, order_id=order, **about)
                if at == max(life.events.values()):
                    case = life.person.case.partition("/")[2]
                    await hear(means, "case.closed", case_id=case)
        if life.closed_at and life.closed_at <= until and "closed" not in life.told:
            clock.now = life.closed_at
            life.told.add("closed")
            await hear(means, "account.closed", subject_id=life.person.id)

    looked = 0
    first_night = began.replace(hour=2) + DAY
    for number in range(YEARS * 366):
        night = first_night + number * DAY
        near = any(timedelta(0) <= night - end < DAY or timedelta(0) <= end - night < DAY
                   for end in ends)  # fmt: skip
        if not (EVERY_NIGHT or near or number % 400 == 0):
            continue
        for life in lives:
            await happen(life, night)
        clock.now = night
        await sweep(means)
        for life in lives:
            assert really_left(town, life.person) == life.left(night), (life.events, night)
        assert await late(means) == 0, night
        looked += 1

    gone = sum(end <= clock.now for end in ends)
    assert gone == len(ends)
    record_figures(
        f"retention: {looked} nights of {YEARS} years, {len(lives)} orders in"
        f" {len(BOOKS_YEARS)} countries, {gone} ends: none early, none overdue"
    )
