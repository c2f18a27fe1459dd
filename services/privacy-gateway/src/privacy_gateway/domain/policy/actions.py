"""What can happen to a field on its way out, and which of two is the narrower."""

from enum import Enum


class Action(Enum):
    REVEAL = "reveal"
    GENERALISE = "generalise"
    MASK = "mask"
    CARRY = "carry"
    WITHHOLD = "withhold"


# What a sub-purpose may make of what its parent gives: the same or less. A mask and a coarser form
# show different things, so neither is less than the other.
WITHIN: dict[Action, frozenset[Action]] = {
    Action.REVEAL: frozenset({Action.REVEAL, Action.GENERALISE, Action.MASK, Action.WITHHOLD}),
    Action.GENERALISE: frozenset({Action.GENERALISE, Action.WITHHOLD}),
    Action.MASK: frozenset({Action.MASK, Action.WITHHOLD}),
    Action.CARRY: frozenset({Action.CARRY, Action.WITHHOLD}),
    Action.WITHHOLD: frozenset({Action.WITHHOLD}),
}
