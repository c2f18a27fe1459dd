"""The policy file's shape. The JSON Schema for editors is made from these very models."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from privacy_gateway.domain.policy.limits import Limits, WorkKind

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
CategoryName = Annotated[str, StringConstraints(pattern=r"^(user|system)(\.[a-z_]+)+$")]
Clause = Annotated[str, StringConstraints(pattern=r"^C[1-7]\.[1-9]$")]
Duration = Annotated[str, StringConstraints(pattern=r"^P(\d{1,5}D|\d{1,4}M|\d{1,3}Y)$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=400)]
RoutePath = Annotated[str, StringConstraints(pattern=r"^/v1(/[a-z-]+|/\{[a-z_]+\})+$")]
EventType = Annotated[str, StringConstraints(pattern=r"^[a-z]+(\.[a-z_]+)+$")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{1,39}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Version = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(\.\d+)?$")]
DpvTerm = Annotated[str, StringConstraints(pattern=r"^dpv:[A-Za-z]+$")]


def _written_out(value: Any) -> Any:
    if not isinstance(value, (datetime, str)):
        raise ValueError("write a date, a time and a zone")  # seconds since 1970 are no beginning
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]

NOT_PERSONAL = "system.operations"
# Secrets go in and never come out; they are needed for signing in, not for reading.
WRITE_ONLY = ("user.authorization.password", "user.authorization.code")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CategoryRule(_Strict):
    """A kind of data. Categories of one class share a key and are deleted together."""

    label: Line
    retention_class: Name = Field(alias="class")
    sealed: StrictBool = False
    lookup: StrictBool = Field(default=False, description="equality search through a blind index")
    validator: Name | None = Field(default=None, description="how a value is checked and sealed")
    mask: Name | None = Field(default=None, description="how a masked value looks")
    generalise: Name | None = Field(default=None, description="what its coarser form is")


class Purpose(_Strict):
    """Why data is read. A sub-purpose inherits what it does not say itself."""

    label: Line
    inherits: Name | None = None
    basis: Literal["consent", "contract", "legal_obligation", "legitimate_interests", "none"]
    clauses: tuple[Clause, ...]
    dpv: DpvTerm
    forbidden: StrictBool = Field(default=False, description="yields nothing, to nobody")
    needs_consent: Name | None = Field(
        default=None, description="the consent without which a customer's data is not given"
    )
    work: tuple[WorkKind, ...] = Field(default=(), description="what can tie staff to it")
    cases: tuple[Name, ...] = Field(
        default=(), description="the kinds of cases that are work for it, where a case is"
    )
    reach: Literal["work", "person"] = Field(
        default="work",
        description="whether a case opens what it is about or everything of its customer",
    )


class Role(_Strict):
    """Who works here. A tier is how far a role is trusted; it grants nothing by itself."""

    label: Line
    kind: Literal["visitor", "customer", "staff", "service", "partner"]
    tier: Annotated[StrictInt, Field(ge=0, le=9)]
    above: Name | None = Field(
        default=None, description="the role that never gets more than this one"
    )
    only: tuple[Name, ...] = Field(default=(), description="the only purposes it may ever have")


class Yield(_Strict):
    """What one role gets for one purpose. Unlisted categories are withheld."""

    reveal: tuple[CategoryName, ...] = ()
    generalise: tuple[CategoryName, ...] = ()
    mask: tuple[CategoryName, ...] = ()
    carry: tuple[CategoryName, ...] = ()
    withhold: tuple[CategoryName, ...] = ()


class Term(_Strict):
    """For how long, and why."""

    keep: Duration
    ground: Line


class Counted(Term):
    """From which clock on."""

    clock: Name = Field(description="the business event from which it is counted")
    countries: dict[Country, Term] = Field(
        default={}, description="where the law of the order's country differs"
    )
    or_after: "Counted | None" = Field(
        default=None, alias="or", description="a second clock; whichever is up first ends it"
    )
    on_request: Literal["delete", "keep"] = Field(
        default="delete", description="whether it goes when its customer wants to be deleted"
    )


class Retention(Counted):
    """How long a class is kept."""

    elsewhere: dict[Literal["account", "order", "case"], Counted] = Field(
        default={}, alias="in", description="where it is kept under that kind of scope"
    )


class Deletion(_Strict):
    """When a customer, or the shop for them, wants everything deleted that no law keeps."""

    grace: Duration = Field(description="for how long it can be undone")
    alone_up_to: Annotated[StrictInt, Field(ge=0, le=1000)] = Field(
        description="how many people a day one member of the staff may delete alone"
    )


class RecipientKind(_Strict):
    purpose: Name
    allow: tuple[CategoryName, ...]


class Trust(_Strict):
    """What one service may do with the others. Unlisted means no."""

    reads: tuple[RoutePath, ...] = ()
    discloses: tuple[Name, ...] = ()
    publishes: tuple[EventType, ...] = ()
    consumes: tuple[EventType, ...] = ()
    revokes_sessions: StrictBool = False
    revokes_work: StrictBool = Field(
        default=False, description="whether it says which case is nobody's work any more"
    )


class Notice(_Strict):
    """What the shop publishes, clause by clause."""

    title: Line
    clauses: dict[Clause, Line]


class PolicyFile(_Strict):
    """One version of the shop's privacy policy, as it is enforced and as it is published."""

    version: Version
    in_force_from: Moment
    categories: dict[CategoryName, CategoryRule]
    purposes: dict[Name, Purpose]
    roles: dict[Name, Role]
    rules: dict[Name, dict[Name, Yield]]
    clocks: dict[Name, tuple[EventType, ...]]
    retention: dict[Name, Retention]
    deletion: Deletion
    recipients: dict[Name, RecipientKind]
    trust: dict[ServiceName, Trust]
    limits: Limits
    notice: Notice

    _hash: str = PrivateAttr(default="")

    @property
    def hash(self) -> str:
        """SHA-256 of the file as it was read; of what it says, where there is no file."""
        return self._hash or hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def read_from(self, content: bytes) -> "PolicyFile":
        self._hash = hashlib.sha256(content).hexdigest()
        return self
