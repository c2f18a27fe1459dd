"""Reading a policy file: what it says, or every gap that it has, by line."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from privacy_gateway.domain.policy import places
from privacy_gateway.domain.policy.contradictions import contradictions
from privacy_gateway.domain.policy.file import (
    CategoryRule,
    PolicyFile,
    Purpose,
    RecipientKind,
    Retention,
    Role,
    Trust,
    Yield,
)
from privacy_gateway.domain.policy.gap import Gap, PolicyGap, meant
from privacy_gateway.domain.policy.places import Located

# What a sub-purpose takes from its parent when it does not say it itself.
INHERITED = ("basis", "clauses", "dpv", "work", "cases", "reach")


def load(path: Path) -> PolicyFile:
    """Raises PolicyGap, naming every gap and contradiction that the file has by itself."""
    return read(path.read_bytes(), name=path.name)


def read(content: bytes, *, name: str) -> PolicyFile:
    try:
        found = places.read(content.decode())
    except UnicodeDecodeError:
        raise PolicyGap([Gap((), "not UTF-8", "save it as UTF-8", name, 1)]) from None
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise PolicyGap([Gap((), f"not YAML: {exc.problem}", "mend it", name, line)]) from None
    except yaml.YAMLError:
        raise PolicyGap([Gap((), "not YAML", "mend it", name, 1)]) from None
    if found.twice:
        raise PolicyGap(
            Gap(place, "stands twice", "keep one of them", name, line)
            for place, line in found.twice
        )
    try:
        parsed = PolicyFile.model_validate(with_inherited(found.content)).read_from(content)
    except ValidationError as exc:
        raise PolicyGap(_located(_shape(exc.errors()), found, name)) from None
    gaps = list(_located(contradictions(parsed), found, name))
    if gaps:
        raise PolicyGap(gaps)
    return parsed


def with_inherited(raw: Any) -> Any:
    """The same with each sub-purpose filled in from its parents. Takes any shape."""
    purposes = raw.get("purposes") if isinstance(raw, Mapping) else None
    if not isinstance(purposes, Mapping):
        return raw
    return {**raw, "purposes": {name: _whole(purposes, name) for name in purposes}}


def _whole(purposes: Mapping[Any, Any], name: Any) -> Any:
    said = purposes[name]
    whole, seen, parent = said, {name}, said
    while isinstance(parent, Mapping) and isinstance(parent.get("inherits"), str):
        above = parent["inherits"]
        parent = None if above in seen else purposes.get(above)
        seen.add(above)
        if isinstance(parent, Mapping):
            taken = {key: parent[key] for key in INHERITED if key in parent}
            whole = {**taken, **whole}
    return whole


def _located(gaps: Iterable[Gap], found: Located, name: str) -> Iterator[Gap]:
    for gap in gaps:
        yield gap._replace(file=name, line=found.line(gap.place))


_MODELS: dict[str, type[BaseModel]] = {
    "categories": CategoryRule,
    "purposes": Purpose,
    "roles": Role,
    "rules": Yield,
    "retention": Retention,
    "recipients": RecipientKind,
    "trust": Trust,
}


def _shape(errors: Iterable[ErrorDetails]) -> Iterator[Gap]:
    for error in errors:
        place = tuple(step for step in error["loc"] if step != "[key]")
        says, do = error["msg"].removeprefix("Value error, "), "change it"
        if error["type"] == "missing":
            says, do = "is missing", "say it"
        elif error["type"] == "extra_forbidden":
            says, do = "means nothing here", meant(str(place[-1]), _members(place), "remove it")
        elif error["type"] == "string_type":
            says, do = "is no text", "put it in quotes"
        yield Gap(place, says, do)


def _members(place: places.Place) -> list[str]:
    model = _MODELS.get(str(place[0])) if len(place) > 1 else PolicyFile
    fields = {} if model is None else model.model_fields
    return [field.alias or name for name, field in fields.items()]
