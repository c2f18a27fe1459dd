"""What a purpose yields once its parents are counted in.

A sub-purpose without rules of its own yields what its parent yields. With rules it is for the
roles that they name alone, and each of them gets what the parent gives, as narrowed there.
"""

from collections.abc import Iterator, Mapping

from privacy_gateway.domain.policy.actions import WITHIN, Action
from privacy_gateway.domain.policy.file import PolicyFile, Purpose, Yield

Table = dict[str, Action]
Tables = dict[tuple[str, str], Table]


def line_of(purposes: Mapping[str, Purpose], name: str) -> list[str]:
    """The purpose and its parents, nearest first. Ends where a name is unknown or comes again."""
    line: list[str] = []
    while name in purposes and name not in line:
        line.append(name)
        name = purposes[name].inherits or ""
    return line


def forbidden(purposes: Mapping[str, Purpose], name: str) -> bool:
    """A part of what is forbidden is forbidden."""
    return any(purposes[each].forbidden for each in line_of(purposes, name))


def listed(yields: Yield) -> Iterator[tuple[str, Action]]:
    for action in Action:
        for category in getattr(yields, action.value):
            yield category, action


def tables(file: PolicyFile) -> Tables:
    """(purpose, role) → category → action; withheld is what is missing.

    Holds for a file with gaps too: what is forbidden yields nothing, and a sub-purpose never more
    than its parent, whatever a rule may say.
    """
    found: Tables = {}
    for purpose in file.purposes:
        if forbidden(file.purposes, purpose):
            continue
        for role, table in _of(file, purpose).items():
            found[purpose, role] = {
                category: action
                for category, action in table.items()
                if action is not Action.WITHHOLD
            }
    return found


def _of(file: PolicyFile, purpose: str) -> dict[str, Table]:
    line = line_of(file.purposes, purpose)
    if file.purposes[line[-1]].inherits is not None:
        return {}  # its line ends at an unknown purpose, or nowhere
    whole: dict[str, Table] | None = None
    for each in reversed(line):
        own = file.rules.get(each)
        said = {role: dict(listed(yields)) for role, yields in (own or {}).items()}
        if whole is None:
            whole = said
        elif own is not None:
            whole = {
                role: narrowed(whole[role], table) for role, table in said.items() if role in whole
            }
    return whole or {}


def narrowed(parent: Table, said: Table) -> Table:
    table = dict(parent)
    for category, action in said.items():
        before = parent.get(category, Action.WITHHOLD)
        table[category] = action if action in WITHIN[before] else Action.WITHHOLD
    return table
