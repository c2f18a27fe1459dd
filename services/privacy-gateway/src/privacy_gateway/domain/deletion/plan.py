"""What goes and what stays when somebody's data is deleted at their request, and why.

Everything goes but what a law keeps, what a legal hold keeps, and orders that are under way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.retention import holds, terms
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG
from privacy_gateway.domain.vault.inventory import Entry
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import LegalHold
from privity_contracts.holdings import Holding

HELD = "legal hold: "
UNDER_WAY = "the order is under way; it goes when the order has ended"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)

    scope: str
    retention_class: str
    categories: tuple[str, ...]


class Going(_Part):
    """A class of a scope that goes."""


class Staying(_Part):
    """One that stays. Without `until`, it is not known yet: `why` says what it waits for."""

    why: str
    until: datetime | None


class Plan(BaseModel):
    model_config = ConfigDict(frozen=True)

    go: tuple[Going, ...]
    stay: tuple[Staying, ...]
    in_progress: tuple[str, ...]
    """Scopes that are under way. They stay for now."""

    @property
    def is_all(self) -> bool:
        """Whether what stays, stays by law alone: nothing of the person is needed any more."""
        return not self.in_progress and not any(part.why.startswith(HELD) for part in self.stay)

    def places(self, subject: str) -> list[Place]:
        return [Place(subject, part.scope, part.retention_class) for part in self.go]

    def scopes(self) -> dict[str, list[str]]:
        """The classes that go, by scope."""
        found: dict[str, list[str]] = {}
        for part in self.go:
            found.setdefault(part.scope, []).append(part.retention_class)
        return found


@dataclass(slots=True)
class _Held:
    """What all services together have under one scope."""

    categories: dict[str, set[str]] = field(default_factory=dict)
    in_progress: bool = False
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one person, from the services, the keys and the clocks."""

    subject: str
    holdings: Sequence[Holding]
    entries: Sequence[Entry]
    clocks: Mapping[str, Mapping[str, datetime]]
    holds: Collection[LegalHold]


def plan(known: Known, file: PolicyFile, *, now: datetime) -> Plan:
    go: list[Going] = []
    stay: list[Staying] = []
    by_scope = _by_scope(known, file)
    for scope, held in sorted(by_scope.items()):
        for retention_class, categories in sorted(held.categories.items()):
            named = tuple(sorted(categories))
            kept = _kept(known, file, held, (scope, retention_class), now)
            if kept is None:
                part = Going(scope=scope, retention_class=retention_class, categories=named)
                go.append(part)
            else:
                why, until = kept
                stay.append(
                    Staying(
                        scope=scope,
                        retention_class=retention_class,
                        categories=named,
                        why=why,
                        until=until,
                    )
                )
    under_way = tuple(sorted(scope for scope, held in by_scope.items() if held.in_progress))
    return Plan(go=tuple(go), stay=tuple(stay), in_progress=under_way)


def _kept(
    known: Known,
    file: PolicyFile,
    held: _Held,
    place: tuple[str, str],
    now: datetime,
) -> tuple[str, datetime | None] | None:
    """Why and until when; nothing when it goes."""
    scope, retention_class = place
    hold = holds.covering(known.holds, known.subject, scope)
    if hold is not None:
        return f"{HELD}{hold.reason}", None
    by_law = terms.kept_on_request(file, retention_class, scope=scope)
    if held.in_progress and not by_law:
        return UNDER_WAY, None
    if not by_law:
        return None
    # Deleting closes the account, so whatever counts from there counts from now.
    clocks = {"account_closed": now, **known.clocks.get(scope, {})}
    found = terms.rules(file, retention_class, scope=scope, country=held.country)
    until = terms.due(found, clocks)
    return until.rule.ground, until.at


def _by_scope(known: Known, file: PolicyFile) -> dict[str, _Held]:
    found: dict[str, _Held] = {}
    for holding in known.holdings:
        held = found.setdefault(holding.scope, _Held())
        held.in_progress = held.in_progress or holding.in_progress is not None
        held.country = held.country or holding.country
        for category in holding.fields:
            rule = file.categories.get(category)
            if rule is not None and rule.retention_class in file.retention:
                held.categories.setdefault(rule.retention_class, set()).add(category)
    for entry in known.entries:
        # A key without a value is a key all the same.
        if entry.destroyed_at is None and entry.place.retention_class != AUDIT_TAG:
            held = found.setdefault(entry.place.scope, _Held())
            held.categories.setdefault(entry.place.retention_class, set())
    return found
