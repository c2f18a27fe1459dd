"""For the gateway alone: making blind indexes anew when their key is replaced.

Not in the contract: what the gateway itself does here is not for anyone to call through it.
"""

from fastapi import APIRouter

from customers.domain import indexes
from privity_contracts.indexes import Page, Removed, Renewals, Renewed, Retired, Sought, Standing
from privity_database import Transaction
from privity_rest import GatewayItself

router = APIRouter(prefix="/v1/indexes", include_in_schema=False)


@router.post("")
async def outdated(body: Sought, tx: Transaction, caller: GatewayItself) -> Page:
    return await indexes.outdated(tx, body)


@router.post("/renewals")
async def renew(body: Renewals, tx: Transaction, caller: GatewayItself) -> Renewed:
    return await indexes.renew(tx, body.items)


@router.post("/retirements")
async def retire(body: Retired, tx: Transaction, caller: GatewayItself) -> Removed:
    return Removed(removed=await indexes.retire(tx, body))


@router.post("/standing")
async def standing(body: Sought, tx: Transaction, caller: GatewayItself) -> Standing:
    return await indexes.standing(tx, body.generation)
