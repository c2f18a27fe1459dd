"""For the gateway alone: what is held of a person, and that it goes.

Not in the contract: what the gateway itself does here is not for anyone to call through it.
"""

from fastapi import APIRouter

from customers.domain import holdings
from privity_contracts.holdings import Drop, Dropped, Holdings, Person
from privity_database import Transaction
from privity_rest import GatewayItself

router = APIRouter(prefix="/v1/holdings", include_in_schema=False)


@router.post("")
async def held(body: Person, tx: Transaction, caller: GatewayItself) -> Holdings:
    return Holdings(items=await holdings.held(tx, body.subject_id))


@router.post("/drops")
async def drop(body: Drop, tx: Transaction, caller: GatewayItself) -> Dropped:
    return Dropped(rows=await holdings.drop(tx, body))
