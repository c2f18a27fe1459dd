"""Asking first: what is held and why, what a purpose would yield, and why a record says so."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from privacy_gateway.api.arrival import of
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.passage.catalogue import catalogue
from privacy_gateway.domain.passage.contracts import Contracts, ContractsInForce
from privacy_gateway.domain.passage.yields import FieldYield, RouteYield, YieldAsked, yields
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.domain.tokens.identity import Identities
from privity_rest import NotAllowed, NotFound

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class ResourceNotOffered(NotFound):
    code = "resource_not_offered"


class NotYourRole(NotAllowed):
    code = "not_your_role"


class Question(BaseModel):
    """`route` is a method and a path; or `resource` is a kind, such as `order`.

    Staff ask with a grant, about any purpose of that grant's role; or, before they have one, with
    their identity token as `subject_token`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    purpose: Annotated[str, StringConstraints(max_length=200)]
    route: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,6} /\S{1,200}$")] | None = None
    resource: Name | None = None
    method: Method = "GET"
    role: Name | None = None
    subject_token: Annotated[str, StringConstraints(max_length=8192)] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "Question":
        if (self.route is None) == (self.resource is None):
            raise ValueError("either route or resource")
        return self


def router(identities: Identities) -> APIRouter:
    routes = APIRouter(prefix="/v1/privacy")

    @routes.post("/can")
    async def can(request: Request, asked: Annotated[Question, body_of(Question)]) -> Any:
        """Asks no service, and says nothing about whether a thing exists."""
        contracts = _contracts(request)
        caller: Caller = request.scope["privity.caller"]
        role = await _role(identities, contracts.policy, caller, asked)
        method, path = asked.method, asked.resource or ""
        if asked.route is not None:
            method, _, path = asked.route.partition(" ")  # type: ignore[assignment]
        only = caller.categories if asked.purpose == caller.purpose else None
        found = yields(contracts, YieldAsked(role, asked.purpose, path, method, only))
        if not found:
            raise ResourceNotOffered("no service offers this")
        policy = contracts.policy
        return {
            # What is no purpose is whatever was typed, and is not said back.
            "purpose": asked.purpose if asked.purpose in policy.file.purposes else None,
            "role": role,
            "policy": policy.version,
            "policy_hash": policy.hash,
            "items": [_route(each) for each in found],
            "next_cursor": None,
        }

    @routes.get("/catalogue")
    async def what_is_held(request: Request) -> dict[str, Any]:
        of(request).cache_control = b"public, max-age=10"
        contracts = _contracts(request)
        return {
            "policy": contracts.policy.version,
            "policy_hash": contracts.policy.hash,
            "items": catalogue(contracts),
            "next_cursor": None,
        }

    return routes


async def _role(identities: Identities, policy: Policy, caller: Caller, asked: Question) -> str:
    """The role to answer for: one of the asker's. Raises NotYourRole."""
    theirs = [caller.role]
    if asked.subject_token is not None:
        member = await identities.member(asked.subject_token, now=time.time())
        theirs = list(member.roles) if member is not None else []
    wanted = [role for role in theirs if asked.role in {None, role}]
    if not wanted:
        raise NotYourRole("you have no such role")
    return next((role for role in wanted if policy.may(role, asked.purpose)), wanted[0])


def _contracts(request: Request) -> Contracts:
    contracts: ContractsInForce = request.app.state.contracts
    return contracts.current


def _route(found: RouteYield) -> dict[str, Any]:
    refusal = found.refusal
    return {
        "route": found.route,
        "service": found.service,
        "allowed": refusal is None,
        **({} if refusal is None else {"reason": refusal.reason, "how": refusal.how}),
        "needs": {"consent": found.consents, "work": found.work},
        "fields": [_field(field) for field in found.fields],
    }


def _field(field: FieldYield) -> dict[str, str]:
    said = {
        "field": field.name,
        "category": field.category,
        "label": field.label,
        "yields": field.action.value,
    }
    if field.why is not None:
        said |= {"reason": field.why.reason, "how": field.why.how}
    return said
