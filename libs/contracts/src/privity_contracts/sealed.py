"""Values that a service carries and cannot read."""

import re
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

SEALED = re.compile(
    r"s1:key_[0-9a-hjkmnp-tv-z]{26}:([a-z_]+(?:\.[a-z_]+)*):[A-Za-z0-9_-]{38,16384}"
)
_FORM = r"b1:(?:0|[1-9][0-9]{0,8}):[A-Za-z0-9_-]{32}"
INDEX = re.compile(rf"{_FORM}(?:,{_FORM})?")


class _Opaque:
    """Text that shows itself to nobody by accident: printing, formatting and logging hide it."""

    __slots__ = ("_text",)
    _text: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._text == getattr(other, "_text", None)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._text))

    def __reduce__(self) -> Any:
        raise TypeError(f"{type(self).__name__} is not copied out of the process")

    def __copy__(self) -> "_Opaque":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Opaque":
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(cls._validated),
            python_schema=core_schema.no_info_plain_validator_function(cls._validated),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value._text, when_used="json"
            ),
        )

    @classmethod
    def _validated(cls, value: object) -> "_Opaque":
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("not text")
        return cls(value)

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)


class Sealed(_Opaque):
    """A personal value that the gateway encrypted; `token` is its form on the wire and at rest."""

    __slots__ = ()

    def __init__(self, token: str) -> None:
        if SEALED.fullmatch(token) is None:
            raise ValueError("not a sealed value")
        super().__init__(token)

    @property
    def token(self) -> str:
        return self._text

    @property
    def category(self) -> str:
        return self._text.split(":", 3)[2]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "x-privity-kind": "sealed"}


class BlindIndex(_Opaque):
    """A keyed hash of a normalised value: equality can be asked, nothing can be read.

    It has one form, `b1:<generation of the key>:<hash>`, and two while one key takes over from
    another. Two indexes are of one value when they share a form. Keys that follow one another
    differ in the parity of their generation, so a form has one of two places: its slot.
    """

    __slots__ = ()

    def __init__(self, text: str) -> None:
        if INDEX.fullmatch(text) is None:
            raise ValueError("not a blind index")
        if len({generation(form) % 2 for form in text.split(",")}) <= text.count(","):
            raise ValueError("a blind index has one form for each slot")
        super().__init__(text)

    @classmethod
    def of_slots(cls, even: str | None, odd: str | None) -> "BlindIndex":
        return cls(",".join(form for form in (even, odd) if form is not None))

    @property
    def text(self) -> str:
        return self._text

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(self._text.split(","))

    @property
    def slots(self) -> tuple[str | None, str | None]:
        """The form of an even generation and the one of an odd, where there is one."""
        by_parity = {generation(form) % 2: form for form in self.forms}
        return by_parity.get(0), by_parity.get(1)

    def __composite_values__(self) -> tuple[str | None, str | None]:
        """How SQLAlchemy asks for the columns of a value that has several."""
        return self.slots

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "x-privity-kind": "index"}


def generation(form: str) -> int:
    """Of the key that an index's form was made with."""
    return int(form.split(":", 2)[1])


class Secret(_Opaque):
    """Something only its owner knows (a password, a code): in one request, never in an answer."""

    __slots__ = ()

    def __init__(self, text: str) -> None:
        if not 1 <= len(text) <= 1024:
            raise ValueError("not between 1 and 1024 characters")
        super().__init__(text)

    def reveal(self) -> str:
        return self._text

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": 1024, "x-privity-kind": "secret"}
