"""The compiled policy: plain dictionaries, one look-up a decision."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.file import NOT_PERSONAL, CategoryRule, PolicyFile
from privacy_gateway.domain.policy.inheritance import forbidden, line_of, tables

NOTHING: Mapping[str, Action] = MappingProxyType({})


class Policy:
    """One version of the policy, ready to decide."""

    def __init__(self, file: PolicyFile) -> None:
        self.file = file
        self.version = file.version
        self.hash = file.hash
        # Forbidden yields nothing, whatever a rule may say: the file's own check is not the only
        # thing that stands between a mistake and a sale.
        self._tables = tables(file)
        self.classes: Mapping[str, str] = {
            name: rule.retention_class for name, rule in file.categories.items()
        }
        self._clauses = {name: purpose.clauses for name, purpose in file.purposes.items()}
        self._consents = {name: self._needed(name) for name in file.purposes}

    def may(self, role: str, purpose: str) -> bool:
        return (purpose, role) in self._tables

    def table(self, role: str, purpose: str) -> Mapping[str, Action]:
        """Category → action. What is missing is withheld."""
        return self._tables.get((purpose, role), NOTHING)

    def rows(self) -> list[tuple[str, str]]:
        """Each purpose with each role that has something of it."""
        return list(self._tables)

    def preview(self, role: str, purpose: str) -> dict[str, list[str]]:
        """What a grant would yield, by categories."""
        table = self.table(role, purpose)
        shown = [c for c in self.file.categories if c != NOT_PERSONAL]
        given = (Action.REVEAL, Action.GENERALISE, Action.MASK)
        return {
            **{action.value: [c for c in shown if table.get(c) is action] for action in given},
            "withhold": [c for c in shown if c not in table],
        }

    def category(self, name: str) -> CategoryRule:
        return self.file.categories[name]

    def kind_of(self, role: str) -> str | None:
        rule = self.file.roles.get(role)
        return rule.kind if rule else None

    def staff_roles(self) -> list[str]:
        return [name for name, role in self.file.roles.items() if role.kind == "staff"]

    def clauses(self, purpose: str) -> tuple[str, ...]:
        return self._clauses.get(purpose, ())

    def label(self, purpose: str) -> str:
        known = self.file.purposes.get(purpose)
        return known.label if known else purpose

    def forbidden(self, purpose: str) -> bool:
        return purpose in self.file.purposes and forbidden(self.file.purposes, purpose)

    def consents(self, purpose: str) -> tuple[str, ...]:
        """The consents without which a person's data is not given for this purpose."""
        return self._consents.get(purpose, ())

    def _needed(self, purpose: str) -> tuple[str, ...]:
        named = (self.file.purposes[each].needs_consent for each in self._line(purpose))
        return tuple(sorted({each for each in named if each is not None}))

    def serves(self, offered: Collection[str], purpose: str) -> bool:
        """Whether what is offered for these purposes serves this one: it, or a part of one."""
        return any(each in offered for each in self._line(purpose))

    def _line(self, purpose: str) -> list[str]:
        return line_of(self.file.purposes, purpose)

    def allow_list(self, recipient_kind: str) -> frozenset[str]:
        """The categories that this kind of recipient may be given at the most."""
        kind = self.file.recipients.get(recipient_kind)
        return frozenset(kind.allow) if kind else frozenset()

    def recipient_purpose(self, recipient_kind: str) -> str:
        return self.file.recipients[recipient_kind].purpose

    def trusts(self, service: str, verb: str, thing: str) -> bool:
        """Whether `service` may `read` a route, `disclose` to a kind of recipient, `publish` or
        `consume` an event. Unlisted means no."""
        known = self.file.trust.get(service)
        if known is None:
            return False
        lists = {
            "read": known.reads,
            "disclose": known.discloses,
            "publish": known.publishes,
            "consume": known.consumes,
        }
        return thing in lists.get(verb, ())

    def consumers(self, event_type: str) -> list[str]:
        return [name for name in self.file.trust if self.trusts(name, "consume", event_type)]

    def may_revoke(self, service: str, *, work: bool = False) -> bool:
        """Sessions, or the grants that hang on a piece of work."""
        known = self.file.trust.get(service)
        if known is None:
            return False
        return known.revokes_work if work else known.revokes_sessions
