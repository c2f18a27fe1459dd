"""What kind of data a field holds (fideslang data categories), told in the OpenAPI document."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from privity_contracts.sealed import Sealed


@dataclass(frozen=True, slots=True)
class Category:
    """Names the category of the field that it annotates."""

    name: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        if source is not Sealed:
            return schema
        return core_schema.no_info_after_validator_function(self._checked, schema)

    def _checked(self, value: Sealed) -> Sealed:
        # The gateway sealed it as something else: storing it here would mislabel it for good.
        if value.category != self.name:
            raise ValueError("sealed as another category")
        return value

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "x-privity-category": self.name}


@dataclass(frozen=True, slots=True)
class _Extension:
    members: tuple[tuple[str, Any], ...]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), **dict(self.members)}


def derived(public_field: str) -> _Extension:
    """The gateway computes this field from `public_field`; a client cannot send it.

    A `BlindIndex` is derived by keyed hash. Where the model has no field of that name, the value
    is used for the look-up alone and goes no further than the gateway.
    """
    return _Extension((("x-privity-from", public_field),))


def carried(public_field: str, *, service: str, path: str) -> _Extension:
    """The gateway reads this object from another service for the caller and re-seals it here.

    `path` is a route of `service` with one parameter, filled from `public_field`, an id that the
    client sends instead of the object.
    """
    return _Extension(
        (("x-privity-from", public_field), ("x-privity-carry", {"service": service, "path": path}))
    )


def works_on(work: str, *, absent: Literal["caller", "nobody"]) -> _Extension:
    """Names a member of the staff whose work this becomes, e.g. `"case/{case_id}"` with the
    route's parameter. The gateway knows who works here, and in which roles; it refuses others.

    `absent` says whose it becomes when the field is left out.
    """
    return _Extension((("x-privity-works-on", {"work": work, "absent": absent}),))


OPERATIONAL = Category("system.operations")
Timestamp = Annotated[AwareDatetime, OPERATIONAL]

__all__ = ["OPERATIONAL", "Category", "Timestamp", "carried", "derived", "works_on"]
