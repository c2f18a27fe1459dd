"""The published notice: the same file that is enforced (C6.1, C6.2)."""

from typing import Any

from fastapi import APIRouter, Request

from privacy_gateway.api.arrival import of
from privacy_gateway.domain.policy import Policy

router = APIRouter()


@router.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/openapi.json")
async def contract(request: Request) -> dict[str, Any]:
    """The API as clients see it."""
    of(request).cache_control = b"public, max-age=60"
    public: dict[str, Any] = request.app.state.public_contract
    return public


@router.get("/v1/policy")
async def policy_in_force(request: Request) -> dict[str, Any]:
    policy: Policy = request.app.state.policies.current
    of(request).cache_control = b"public, max-age=60"
    file = policy.file
    return {
        "version": file.version,
        "in_force_from": file.in_force_from.isoformat(),
        "title": file.notice.title,
        "clauses": file.notice.clauses,
        "purposes": {
            name: {
                "label": purpose.label,
                "lawful_basis": purpose.basis,
                "clauses": purpose.clauses,
                "dpv": purpose.dpv,
                "forbidden": purpose.forbidden,
            }
            for name, purpose in file.purposes.items()
        },
        "retention": {
            name: {"from": rule.clock, "keep": rule.keep, "ground": rule.ground}
            for name, rule in file.retention.items()
        },
    }
