"""The base of everything that crosses a service's border."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Contract(BaseModel):
    """A request or an answer. Undeclared members are refused.

    Class arguments, for objects that are about a person:
    `subject`  the field that holds the subject's id
    `scope`    what the data keys of its sealed fields belong to, e.g. `"order/id"`: the kind of
               the scope and the field that holds its id
    `group`    a validator for the object as a whole, e.g. `"address"`
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, from_attributes=True, hide_input_in_errors=True
    )

    privity_extensions: ClassVar[dict[str, str]] = {}

    def __init_subclass__(
        cls,
        *,
        subject: str | None = None,
        scope: str | None = None,
        group: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        named = {"x-privity-subject": subject, "x-privity-scope": scope, "x-privity-group": group}
        cls.privity_extensions = {
            **cls.privity_extensions,
            **{member: value for member, value in named.items() if value is not None},
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = handler(schema)
        handler.resolve_ref_schema(described).update(cls.privity_extensions)
        return described
