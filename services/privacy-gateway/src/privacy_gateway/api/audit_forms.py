"""What may be asked of the audit store, and in which words."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import LARGEST_PAGE
from privity_contracts import ids

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
CategoryName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=128)]
Person = Annotated[str, StringConstraints(pattern=rf"^(cus|stf)_{ids.BODY}$")]
Actor = Annotated[
    str, StringConstraints(pattern=rf"^((cus|stf|rcp)_{ids.BODY}|svc_[a-z-]{{1,40}}|visitor)$")
]
Recipient = Annotated[str, StringConstraints(pattern=rf"^rcp_{ids.BODY}$")]
Service = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,39}$")]
Work = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(order/ord_{ids.BODY}|case/cas_{ids.BODY}|break-glass/brk_{ids.BODY}"
        r"|site/[a-z0-9][a-z0-9-]{0,39}|shop)$"
    ),
]
RecordId = Annotated[str, StringConstraints(pattern=rf"^rec_{ids.BODY}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
Tagged = Literal["subject", "actor", "resource", "work", "scope"]


class Asked(BaseModel):
    """Person ids come in bodies, never in addresses. `since` is included, `until` is not."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    subject: Person | None = None
    actor: Actor | None = None
    purpose: Name | None = None
    category: CategoryName | None = None
    decision: Literal["allow", "refuse"] | None = None
    kind: Name | None = None
    role: Name | None = None
    recipient: Recipient | None = None
    service: Service | None = None
    work: Work | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @property
    def filters(self) -> Filters:
        return Filters(**{name: getattr(self, name) for name in Filters.__dataclass_fields__})


class Search(Asked):
    """`reveal` names the members whose tags are opened; each person so named is recorded."""

    reveal: list[Tagged] = Field(default=["actor"], max_length=5)
    limit: int = Field(default=50, ge=1, le=LARGEST_PAGE)
    cursor: Cursor | None = None
