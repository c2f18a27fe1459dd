"""Where in a YAML or JSON file something stands, so that a gap can be found by its line."""

from typing import Any, NamedTuple

import yaml

Place = tuple[str | int, ...]

# The parser in C, where PyYAML was built with it; it takes a tenth of the time.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Located(NamedTuple):
    """A document and the line of each of its members."""

    content: Any
    lines: dict[Place, int]
    twice: list[tuple[Place, int]]
    """Keys that stand twice in one mapping. YAML lets the later replace the earlier in silence."""

    def line(self, place: Place) -> int:
        """The line of the place, or of the nearest around it that exists."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(text: str) -> Located:
    """Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        found = Located(None, {}, [])
        if node is None:
            return found
        _walk(node, (), found, {id(node)})
        return found._replace(content=loader.construct_document(node))
    finally:
        loader.dispose()


def _walk(node: yaml.Node, place: Place, found: Located, above: set[int]) -> None:
    found.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _step(item, (*place, position), item, found, above)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            if inner in found.lines:
                found.twice.append((inner, key.start_mark.line + 1))
            _step(value, inner, key, found, above)


def _step(node: yaml.Node, place: Place, named: yaml.Node, found: Located, above: set[int]) -> None:
    """`named` is where a reader would look: a member's key rather than its value."""
    found.lines.setdefault(place, named.start_mark.line + 1)
    if id(node) not in above:  # an alias may point at what it stands in
        _walk(node, place, found, above | {id(node)})
