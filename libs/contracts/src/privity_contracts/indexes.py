"""Blind indexes in a service, told to the gateway alone: made anew when their key is replaced.

The gateway can make an index, and only the service has the places where they stand. What a value
became meanwhile stays: an index is written only beside the sealed value that it was made of.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from privity_contracts.holdings import Scope, Subject
from privity_contracts.sealed import BlindIndex, Sealed

Place = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,40}$")]
RowId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Generation = Annotated[int, Field(ge=0)]
MOST = 500


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Sought(_Message):
    """Values whose index has no form of this generation; `after` is where the last page ended."""

    generation: Generation
    after: Annotated[str, StringConstraints(max_length=120)] = ""
    limit: Annotated[int, Field(ge=1, le=MOST)] = MOST


class Indexed(_Message):
    """A value that is indexed: where it stands, whose it is, and under which scope it opens."""

    place: Place
    row: RowId
    subject_id: Subject
    scope: Scope
    value: Sealed = Field(repr=False)


class Page(_Message):
    """`after` is absent on the last one."""

    items: list[Indexed]
    after: str | None = None


class Renewal(_Message):
    place: Place
    row: RowId
    value: Sealed = Field(repr=False)
    index: BlindIndex


class Renewals(_Message):
    items: Annotated[list[Renewal], Field(min_length=1, max_length=MOST)]


class Renewed(_Message):
    """`changed`: the value is another by now, and has its index. `taken`: two rows have one value
    where it may be there once."""

    renewed: int
    changed: int
    taken: int


class Retired(_Message):
    """`generation` is the one that is left; what others made goes."""

    generation: Generation
    limit: Annotated[int, Field(ge=1, le=MOST)] = MOST


class Removed(_Message):
    removed: int


class Standing(_Message):
    """How many values are indexed; and of those, how many not by the generation asked for, and
    how many by another one (too)."""

    values: int
    outdated: int
    earlier: int
