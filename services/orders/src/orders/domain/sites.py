"""Which warehouse packs an order: the one that its country is near to."""

NORTH = "north"
SOUTH = "south"

_SOUTHERN = frozenset({"AD", "CY", "ES", "GR", "HR", "IT", "MC", "MT", "PT", "SI", "SM", "VA"})


def site_for(country: str) -> str:
    return SOUTH if country in _SOUTHERN else NORTH
