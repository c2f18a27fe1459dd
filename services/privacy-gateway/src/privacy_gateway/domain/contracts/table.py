"""Finding the route of a request."""

from collections.abc import Iterable
from dataclasses import dataclass

from privacy_gateway.domain.contracts.document import Route


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    parameters: dict[str, str]


class RoutingTable:
    """Exact segments win over parameters; a path has at most one route a method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError when two services claim the same path."""
        self._by_shape: dict[int, list[tuple[tuple[str | None, ...], dict[str, Route]]]] = {}
        for route in routes:
            self._add(route)
        for shapes in self._by_shape.values():
            shapes.sort(key=lambda entry: [segment is None for segment in entry[0]])

    def _add(self, route: Route) -> None:
        segments = route.path.split("/")
        shape = tuple(None if s.startswith("{") else s for s in segments)
        shapes = self._by_shape.setdefault(len(segments), [])
        for known, methods in shapes:
            if known == shape:
                if route.method in methods:
                    raise ValueError(f"{route.name} is claimed twice")
                methods[route.method] = route
                return
        shapes.append((shape, {route.method: route}))

    def find(self, method: str, path: str) -> Match | set[str] | None:
        """The match; or the methods that this path has; or None for an unknown path."""
        segments = path.split("/")
        for shape, methods in self._by_shape.get(len(segments), ()):
            if all(s is None or s == g for s, g in zip(shape, segments, strict=True)):
                route = methods.get(method)
                if route is None:
                    return set(methods)
                names = route.path.split("/")
                return Match(
                    route,
                    {
                        names[i][1:-1]: segments[i]
                        for i, segment in enumerate(shape)
                        if segment is None
                    },
                )
        return None
