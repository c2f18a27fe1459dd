"""What binds staff beside their purposes: work, budgets, and breaking the glass."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints

WorkKind = Literal["case", "order", "site", "shop", "none"]
"""A case assigned to them; an order or all orders of a site of theirs; `shop` for what concerns no
customer in particular; `none` for breaking the glass, which goes without work."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=400)]

BREAK_GLASS = "break_glass"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Allowance(_Strict):
    """Customers that one person may see in one role on one day: `base`, and `factor` times the
    orders of the busiest day of late."""

    base: Annotated[StrictInt, Field(ge=0, le=100_000)]
    factor: Annotated[float, Field(ge=0, le=10, strict=True)]


class Budgets(_Strict):
    default: Allowance
    roles: dict[Name, Allowance] = {}
    busiest_of_days: Annotated[StrictInt, Field(ge=1, le=60)]

    def of(self, role: str) -> Allowance:
        return self.roles.get(role, self.default)


class BreakGlass(_Strict):
    """Who may do it is a rule of the purpose `break_glass`, like any other."""

    minutes: Annotated[StrictInt, Field(ge=5, le=60)]
    review_days: Annotated[StrictInt, Field(ge=1, le=3)]
    reasons: Annotated[dict[Name, Line], Field(min_length=1)]


class Limits(_Strict):
    order_days: Annotated[StrictInt, Field(ge=0, le=365)]
    """For how long an order is still work after it was delivered or cancelled."""
    budgets: Budgets
    break_glass: BreakGlass | None = None
