"""Staff by what they are here for. The gateway has checked it; we check it again."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from privity_rest import Caller, NotAllowed, Staff


def _here_for(purpose: str) -> Callable[[Caller], Caller]:
    def check(who: Staff) -> Caller:
        if who.purpose != purpose:
            raise NotAllowed(f"for {purpose} only")
        return who

    return check


Shopkeeper = Annotated[Caller, Depends(_here_for("catalogue_management"))]
Verifier = Annotated[Caller, Depends(_here_for("order_verification"))]


def _packer(who: Annotated[Caller, Depends(_here_for("warehousing"))]) -> Caller:
    if not who.sites:
        raise NotAllowed("packing is the work of a site")
    return who


Packer = Annotated[Caller, Depends(_packer)]
