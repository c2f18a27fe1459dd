"""Finding the route of a request."""

from collections.abc import Iterable
from dataclasses import dataclass

from privacy_gateway.domain.contracts.document import Route


@dataclass(slots=True)
class Match:
    route: Route
    parameters: dict[str, str]


class RoutingTable:
    """Exact segments win over parameters; a path has at most one route a method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError when two services claim the same path."""
        self._root = _Step()
        for route in routes:
            self._root.add(route, route.path.split("/"))

    def find(self, method: str, path: str) -> Match | set[str] | None:
        """The match; or the methods that this path has; or None for an unknown path."""
        segments = path.split("/")
        found = self._root.find(segments, 0)
        if found is None:
            return None
        route = found.get(method)
        if route is None:
            return set(found)
        return Match(route, {name: segments[at] for at, name in route.placed})


class _Step:
    """What can follow a part of a path."""

    __slots__ = ("_any", "_exact", "_methods")

    def __init__(self) -> None:
        self._exact: dict[str, _Step] = {}
        self._any: _Step | None = None
        self._methods: dict[str, Route] = {}

    def add(self, route: Route, rest: list[str]) -> None:
        if not rest:
            if route.method in self._methods:
                raise ValueError(f"{route.name} is claimed twice")
            self._methods[route.method] = route
            return
        if rest[0].startswith("{"):
            self._any = self._any or _Step()
            self._any.add(route, rest[1:])
        else:
            self._exact.setdefault(rest[0], _Step()).add(route, rest[1:])

    def find(self, segments: list[str], at: int) -> dict[str, Route] | None:
        if at == len(segments):
            return self._methods or None
        exact = self._exact.get(segments[at])
        if exact is not None:
            found = exact.find(segments, at + 1)
            if found is not None:
                return found
        return None if self._any is None else self._any.find(segments, at + 1)
