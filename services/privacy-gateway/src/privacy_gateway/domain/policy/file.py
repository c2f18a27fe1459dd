"""The policy file: its shape, and what a file may not say."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from privacy_gateway.domain.policy.limits import BREAK_GLASS, Limits, WorkKind

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
CategoryName = Annotated[str, StringConstraints(pattern=r"^(user|system)(\.[a-z_]+)+$")]
Clause = Annotated[str, StringConstraints(pattern=r"^C[1-7]\.[1-9]$")]
Duration = Annotated[str, StringConstraints(pattern=r"^P(\d+D|\d+M|\d+Y)$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=400)]
RoutePath = Annotated[str, StringConstraints(pattern=r"^/v1(/[a-z-]+|/\{[a-z_]+\})+$")]

NOT_PERSONAL = "system.operations"


class PolicyGap(Exception):
    """The policy cannot be enforced as it stands; the gateway does not start. One gap a line."""

    def __init__(self, gaps: list[str]) -> None:
        super().__init__("\n".join(gaps))
        self.gaps = gaps


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CategoryRule(_Strict):
    label: Line
    retention_class: Name
    sealed: bool = False
    lookup: bool = False
    validator: Name | None = None
    mask: Name | None = None


class Purpose(_Strict):
    label: Line
    basis: Literal["consent", "contract", "legal_obligation", "legitimate_interests", "none"]
    clauses: tuple[Clause, ...]
    dpv: Annotated[str, StringConstraints(pattern=r"^dpv:[A-Za-z]+$")]
    forbidden: bool = False
    # What can tie staff to this purpose, and whether a case opens what it is about (its order) or
    # everything of its customer.
    work: tuple[WorkKind, ...] = ()
    reach: Literal["work", "person"] = "work"


class Role(_Strict):
    kind: Literal["visitor", "customer", "staff", "service", "partner"]
    tier: int


class Yield(_Strict):
    """What one role gets for one purpose. Unlisted categories are withheld."""

    reveal: tuple[CategoryName, ...] = ()
    mask: tuple[CategoryName, ...] = ()
    carry: tuple[CategoryName, ...] = ()


class Retention(_Strict):
    clock: Name
    keep: Duration
    ground: Line


class RecipientKind(_Strict):
    purpose: Name
    allow: tuple[CategoryName, ...]


class Trust(_Strict):
    reads: tuple[RoutePath, ...] = ()
    discloses: tuple[Name, ...] = ()
    publishes: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    revokes_sessions: bool = False


class Notice(_Strict):
    title: Line
    clauses: dict[Clause, Line]


class PolicyFile(_Strict):
    version: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(\.\d+)?$")]
    in_force_from: AwareDatetime
    categories: dict[CategoryName, CategoryRule]
    purposes: dict[Name, Purpose]
    roles: dict[Name, Role]
    rules: dict[Name, dict[Name, Yield]]
    retention: dict[Name, Retention]
    recipients: dict[Name, RecipientKind]
    trust: dict[str, Trust]
    limits: Limits
    notice: Notice


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key replace an earlier one in silence; here that is a gap."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise PolicyGap([f"line {line}: {key} stands twice; keep one of them"])
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: Path) -> PolicyFile:
    """Reads one policy file.

    Raises PolicyGap, naming every gap and contradiction that the file has by itself.
    """
    try:
        raw = yaml.load(path.read_text("utf-8"), Loader=_UniqueKeys)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as exc:
        raise PolicyGap([f"{path.name}: not YAML: {exc}"]) from None
    if isinstance(raw, dict):
        for rule in (raw.get("categories") or {}).values():
            if isinstance(rule, dict) and "class" in rule:
                rule["retention_class"] = rule.pop("class")
    try:
        parsed = PolicyFile.model_validate(raw)
    except ValidationError as exc:
        places = [(".".join(map(str, e["loc"])), e["msg"]) for e in exc.errors()]
        raise PolicyGap([f"{path.name}: {place}: {reason}" for place, reason in places]) from None
    gaps = list(_gaps(parsed))
    if gaps:
        raise PolicyGap([f"{path.name}: {gap}" for gap in gaps])
    return parsed


def _gaps(file: PolicyFile) -> list[str]:
    return [
        *_category_gaps(file),
        *_purpose_gaps(file),
        *_work_gaps(file),
        *_grant_gaps(file),
        *_share_gaps(file),
    ]


def _category_gaps(file: PolicyFile) -> list[str]:
    gaps = []
    for name, category in file.categories.items():
        if category.retention_class not in file.retention and category.retention_class != "none":
            gaps.append(f"category {name}: class {category.retention_class} has no retention rule")
        if category.sealed and category.validator is None:
            gaps.append(f"category {name}: sealed without a validator")
        if category.retention_class == "none" and name != NOT_PERSONAL:
            gaps.append(f"category {name}: only {NOT_PERSONAL} is outside retention")
        if not _reached(file, name):
            gaps.append(f"category {name}: no purpose needs it; then it must not be collected")
    return gaps


def _purpose_gaps(file: PolicyFile) -> list[str]:
    gaps = []
    for name, purpose in file.purposes.items():
        if purpose.basis == "none" and not purpose.forbidden:
            gaps.append(f"purpose {name}: no lawful basis")
        if purpose.forbidden and file.rules.get(name):
            gaps.append(f"purpose {name}: forbidden, and a rule grants it")
        if not purpose.forbidden and name not in file.rules:
            gaps.append(f"purpose {name}: no rule says who gets what")
        gaps.extend(
            f"purpose {name}: clause {clause} is not in the notice"
            for clause in purpose.clauses
            if clause not in file.notice.clauses
        )
    return gaps


def _work_gaps(file: PolicyFile) -> list[str]:
    gaps = []
    staff = {name for name, role in file.roles.items() if role.kind == "staff"}
    for name, purpose in file.purposes.items():
        by_staff = not staff.isdisjoint(file.rules.get(name, {}))
        if by_staff and not purpose.work:
            gaps.append(f"purpose {name}: no kind of work ties staff to it")
        if ("none" in purpose.work) != (name == BREAK_GLASS):
            gaps.append(f"purpose {name}: {BREAK_GLASS} alone goes without work")
        if name == BREAK_GLASS and by_staff and file.limits.break_glass is None:
            gaps.append(f"purpose {name}: limits.break_glass is missing")
    gaps.extend(
        f"limits.budgets: {role} is no role of staff"
        for role in file.limits.budgets.roles
        if role not in staff
    )
    return gaps


def _grant_gaps(file: PolicyFile) -> list[str]:
    gaps = []
    for purpose_name, by_role in file.rules.items():
        if purpose_name not in file.purposes:
            gaps.append(f"rules: {purpose_name} is no purpose")
        for role, yields in by_role.items():
            gaps.extend(_rule_gaps(file, f"rules.{purpose_name}.{role}", role, yields))
    return gaps


def _share_gaps(file: PolicyFile) -> list[str]:
    gaps = []
    for kind, recipient in file.recipients.items():
        if recipient.purpose not in file.purposes or file.purposes[recipient.purpose].forbidden:
            gaps.append(f"recipients.{kind}: {recipient.purpose} is no purpose to disclose for")
        gaps.extend(
            f"recipients.{kind}: {category} is no category"
            for category in recipient.allow
            if category not in file.categories
        )
        if "user.payment" in recipient.allow:
            gaps.append(f"recipients.{kind}: payment data goes to no partner (C4.2)")
    return gaps


# Secrets go in and never come out; they are needed for signing in, not for reading.
_WRITE_ONLY = ("user.authorization.password", "user.authorization.code")


def _reached(file: PolicyFile, category: str) -> bool:
    return category in _WRITE_ONLY or any(
        category in (*yields.reveal, *yields.mask, *yields.carry)
        for by_role in file.rules.values()
        for yields in by_role.values()
    )


def _rule_gaps(file: PolicyFile, place: str, role: str, yields: Yield) -> list[str]:
    gaps = []
    if role not in file.roles:
        gaps.append(f"{place}: {role} is no role")
    listed = [*yields.reveal, *yields.mask, *yields.carry]
    gaps.extend(f"{place}: {c} is no category" for c in listed if c not in file.categories)
    gaps.extend(f"{place}: {c} stands twice" for c in set(listed) if listed.count(c) > 1)
    gaps.extend(f"{place}: {c} never comes out" for c in listed if c in _WRITE_ONLY)
    for category in yields.mask:
        rule = file.categories.get(category)
        if rule is not None and rule.mask is None:
            gaps.append(f"{place}: {category} has no mask")
    if yields.carry and role in file.roles and file.roles[role].kind != "service":
        gaps.append(f"{place}: only services carry")
    return gaps


def in_force(files: list[PolicyFile], *, now: datetime) -> PolicyFile:
    """The newest version that has begun. Raises PolicyGap when none has."""
    begun = [file for file in files if file.in_force_from <= now]
    if not begun:
        raise PolicyGap(["no policy version is in force"])
    return max(begun, key=lambda file: file.in_force_from)
