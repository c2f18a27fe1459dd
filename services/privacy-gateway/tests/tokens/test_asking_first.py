"""Staff ask what a purpose would yield before they ask for a grant."""

import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete

from privacy_gateway.api import privacy
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.contracts import ContractsInForce, load_documents
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.caller import VISITOR
from privacy_gateway.domain.tokens.identity import Identities
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_rest import problems

SERVICES = Path(__file__).resolve().parents[3]
DELIVERY = "GET /v1/orders/{order_id}/delivery"


@pytest.fixture
async def member(database):
    async with database.transaction() as tx:
        await tx.execute(delete(StaffMember))
        return await directory.ensure_staff(
            tx,
            username="lee",
            password_hash="none",
            roles=["warehouse", "dispatch"],
            sites=["main"],
            now=time.time(),
        )


@pytest.fixture
async def ask(serve, database, signer, revocations):
    policies = PolicyInForce(SERVICES / "privacy-gateway" / "policy")
    identities = Identities(signer=signer, revocations=revocations, database=database)
    app = FastAPI(openapi_url=None)
    problems.install(app)
    documents = load_documents({"orders": SERVICES / "orders" / "openapi.json"})
    app.state.contracts = ContractsInForce(Offer(documents), policies)
    app.include_router(privacy.router(identities))

    async def as_visitor(scope, receive, send):
        if scope["type"] == "http":
            scope["privity.caller"] = VISITOR
        await app(scope, receive, send)

    port = await serve(Edge(as_visitor, cors=Cors([]), https=False))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def ask(token, purpose, **more):
            body = {"purpose": purpose, "route": DELIVERY, "subject_token": token} | more
            return await client.post("/v1/privacy/can", json=body)

        yield ask


def token_of(signer, staff_id, *, session=None):
    session = session or ids.mint("ses")
    return minting.identity_token(signer, staff=staff_id, session=session, now=time.time()).token


@pytest.mark.parametrize(
    ("purpose", "role"), [("warehousing", "warehouse"), ("delivery", "dispatch")]
)
async def test_the_role_is_the_one_of_theirs_that_has_the_purpose(
    ask, signer, member, purpose, role
):
    answer = await ask(token_of(signer, member.id), purpose)

    assert answer.json()["role"] == role
    assert answer.json()["items"][0]["allowed"] is True


async def test_a_role_of_theirs_can_be_named_and_no_other(ask, signer, member):
    token = token_of(signer, member.id)

    theirs = await ask(token, "delivery", role="warehouse")
    others = await ask(token, "delivery", role="auditor")

    assert theirs.json()["items"][0]["reason"] == "purpose_not_yours"
    assert others.status_code == 403


async def test_who_works_here_no_longer_is_told_nothing(ask, signer, member, database):
    token = token_of(signer, member.id)
    async with database.transaction() as tx:
        await tx.execute(delete(StaffMember))

    assert (await ask(token, "delivery")).status_code == 403


async def test_a_token_that_was_ended_or_is_for_something_else_tells_nothing(
    ask, signer, member, revocations
):
    session = ids.mint("ses")
    ended = token_of(signer, member.id, session=session)
    await revocations.revoke("session", session, now=time.time())
    grant = minting.customer_token(
        signer, account=ids.mint("cus"), session=ids.mint("ses"), now=time.time()
    ).token

    for token in (ended, grant, "x.y.z", ""):
        answer = await ask(token, "delivery")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
