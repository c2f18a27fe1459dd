"""What is wrong with a policy or with a contract, where, and what to do about it."""

import difflib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from privacy_gateway.domain.policy.places import Place


class Gap(NamedTuple):
    """Written as `file:line: place: what is wrong; what to do`."""

    place: Place
    says: str
    do: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        named = ".".join(map(str, self.place))
        return ": ".join(part for part in (where, named, f"{self.says}; {self.do}") if part)


class PolicyGap(Exception):
    """The policy cannot be enforced as it stands; the gateway does not start. One gap a line."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        self.gaps = list(gaps)
        super().__init__("\n".join(map(str, self.gaps)))


def meant(name: str, known: Collection[str], otherwise: str) -> str:
    """A suggestion for a name that does not exist: the one that was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else otherwise
