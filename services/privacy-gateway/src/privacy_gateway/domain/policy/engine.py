"""The compiled policy: plain dictionaries, one look-up a decision."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from privacy_gateway.domain.policy.file import NOT_PERSONAL, CategoryRule, PolicyFile


class Action(Enum):
    """What happens to one field on its way out."""

    REVEAL = "reveal"
    MASK = "mask"
    CARRY = "carry"
    WITHHOLD = "withhold"


NOTHING: Mapping[str, Action] = MappingProxyType({})


class Policy:
    """One version of the policy, ready to decide."""

    def __init__(self, file: PolicyFile) -> None:
        self.file = file
        self.version = file.version
        self._tables: dict[tuple[str, str], dict[str, Action]] = {}
        for purpose, by_role in file.rules.items():
            # Forbidden yields nothing, whatever a rule may say: the file's own check is not
            # the only thing that stands between a mistake and a sale.
            if file.purposes[purpose].forbidden:
                continue
            for role, yields in by_role.items():
                table = dict.fromkeys(yields.reveal, Action.REVEAL)
                table |= dict.fromkeys(yields.mask, Action.MASK)
                table |= dict.fromkeys(yields.carry, Action.CARRY)
                self._tables[purpose, role] = table
        self.classes: Mapping[str, str] = {
            name: rule.retention_class for name, rule in file.categories.items()
        }

    def may(self, role: str, purpose: str) -> bool:
        return (purpose, role) in self._tables

    def table(self, role: str, purpose: str) -> Mapping[str, Action]:
        """Category → action. What is missing is withheld."""
        return self._tables.get((purpose, role), NOTHING)

    def preview(self, role: str, purpose: str) -> dict[str, list[str]]:
        """What a grant would yield, by categories."""
        table = self.table(role, purpose)
        shown = [c for c in self.file.categories if c != NOT_PERSONAL]
        return {
            "reveal": [c for c in shown if table.get(c) is Action.REVEAL],
            "mask": [c for c in shown if table.get(c) is Action.MASK],
            "withhold": [c for c in shown if c not in table],
        }

    def category(self, name: str) -> CategoryRule:
        return self.file.categories[name]

    def kind_of(self, role: str) -> str | None:
        rule = self.file.roles.get(role)
        return rule.kind if rule else None

    def clauses(self, purpose: str) -> tuple[str, ...]:
        known = self.file.purposes.get(purpose)
        return known.clauses if known else ()

    def label(self, purpose: str) -> str:
        known = self.file.purposes.get(purpose)
        return known.label if known else purpose

    def forbidden(self, purpose: str) -> bool:
        known = self.file.purposes.get(purpose)
        return known is not None and known.forbidden

    def purposes_that_yield(self, category: str) -> list[str]:
        """The purposes for which somebody gets this category, for the answer to "how?"."""
        return sorted(
            {
                purpose
                for (purpose, role), table in self._tables.items()
                if table.get(category) in {Action.REVEAL, Action.MASK}
                and self.kind_of(role) == "staff"
            }
        )

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

    def may_revoke_sessions(self, service: str) -> bool:
        known = self.file.trust.get(service)
        return known is not None and known.revokes_sessions
