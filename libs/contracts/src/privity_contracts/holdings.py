"""What a service holds of a person, told to the gateway alone; and what it is told to drop.

A scope is an account, an order or a case. A class that is gone has no key any more, so what a
service drops is unreadable already: the rows follow the key.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from privity_contracts.ids import BODY
from privity_contracts.sealed import Sealed

Subject = Annotated[str, StringConstraints(pattern=rf"^cus_{BODY}$")]
Scope = Annotated[
    str, StringConstraints(pattern=rf"^(account/cus|order/ord|case/cas)_{BODY}$", max_length=40)
]
ClassName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Person(_Message):
    """Whose holdings are asked for. In a body: an address would lie in logs."""

    subject_id: Subject


class Holding(_Message):
    """What lies under one scope in one service.

    `fields`       names of the fields that have a value, by category
    `sealed`       the sealed values themselves
    `in_progress`  why it cannot go yet, as a code: an order that is under way
    `country`      whose law the retention follows, where it differs
    """

    scope: Scope
    fields: dict[str, list[str]] = Field(default_factory=dict)
    sealed: list[str] = Field(default_factory=list, repr=False)
    in_progress: str | None = None
    country: str | None = None


def holding(
    scope: str,
    values: Mapping[str, Sealed | None],
    plain: Mapping[str, Sequence[str]],
    *,
    in_progress: str | None = None,
    country: str | None = None,
) -> Holding:
    """From sealed values by their field's name, and the names of plain fields by category."""
    fields = {category: list(names) for category, names in plain.items() if names}
    present = {name: value for name, value in values.items() if value is not None}
    for name, value in present.items():
        fields.setdefault(value.category, []).append(name)
    return Holding(
        scope=scope,
        fields=fields,
        sealed=[value.token for value in present.values()],
        in_progress=in_progress,
        country=country,
    )


class Holdings(_Message):
    items: list[Holding]


class Drop(_Message):
    """`classes` are all that are gone by now, not only what went last: a row that holds two of
    them goes with the second."""

    subject_id: Subject
    scope: Scope
    classes: Annotated[list[ClassName], Field(min_length=1, max_length=20)]


class Dropped(_Message):
    """How many rows were deleted or emptied. Asked again, it is none."""

    rows: int
