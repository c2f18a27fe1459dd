"""The published notice: the same file that is enforced, its versions and what changed (C6)."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from privacy_gateway.api.arrival import of
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.policy.difference import difference
from privacy_gateway.domain.policy.file import Version
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privity_rest import NotFound

router = APIRouter()


class PolicyVersionNotFound(NotFound):
    code = "policy_version_not_found"


@router.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz")
async def ready(request: Request) -> dict[str, Any]:
    """Refused as an access would be: while nothing can be recorded, or the log is behind."""
    log: AuditLog = request.app.state.audit
    log.require_open()
    return {"status": "ok", "log_behind_seconds": round(request.app.state.sequenced.behind_seconds)}


@router.get("/openapi.json")
async def contract(request: Request) -> dict[str, Any]:
    """The API as clients see it."""
    of(request).cache_control = b"public, max-age=60"
    public: dict[str, Any] = request.app.state.public_contract
    return public


@router.get("/v1/policy")
async def policy_in_force(request: Request) -> dict[str, Any]:
    # Short, because the next version may take over at any moment.
    of(request).cache_control = b"public, max-age=10"
    policies = _policies(request)
    return _published(policies, policies.current)


@router.get("/v1/policy/versions")
async def versions(request: Request) -> dict[str, Any]:
    """Newest first, with those to come."""
    of(request).cache_control = b"public, max-age=10"
    policies = _policies(request)
    items = [_version(policies, policy) for policy in reversed(policies.versions)]
    return {"items": items, "next_cursor": None}


@router.get("/v1/policy/versions/{version}")
async def one_version(request: Request, version: Version) -> dict[str, Any]:
    of(request).cache_control = b"public, max-age=10"
    policies = _policies(request)
    return _published(policies, _known(policies, version))


@router.get("/v1/policy/diff")
async def what_changed(
    request: Request,
    earlier: Annotated[Version, Query(alias="from")],
    later: Annotated[Version, Query(alias="to")],
) -> dict[str, Any]:
    """In words, for anyone: what of a person's data somebody gets more or less of, and the rest."""
    of(request).cache_control = b"public, max-age=10"
    policies = _policies(request)
    old, new = _known(policies, earlier), _known(policies, later)
    return {
        "from": _version(policies, old),
        "to": _version(policies, new),
        "changes": [change._asdict() for change in difference(old, new)],
    }


def _policies(request: Request) -> PolicyInForce:
    policies: PolicyInForce = request.app.state.policies
    return policies


def _known(policies: PolicyInForce, version: str) -> Policy:
    policy = policies.version(version)
    if policy is None:
        raise PolicyVersionNotFound(f"there is no version {version}")
    return policy


def _version(policies: PolicyInForce, policy: Policy) -> dict[str, Any]:
    until = policies.until(policy)
    return {
        "id": policy.version,
        "hash": policy.hash,
        "in_force_from": _moment(policy.file.in_force_from),
        "in_force_until": until and _moment(until),
        "in_force": policy is policies.current,
    }


def _moment(at: datetime) -> str:
    return at.isoformat()


def _published(policies: PolicyInForce, policy: Policy) -> dict[str, Any]:
    file = policy.file
    return {
        "version": file.version,
        **_version(policies, policy),
        "title": file.notice.title,
        "clauses": file.notice.clauses,
        "purposes": {
            name: {
                "label": purpose.label,
                "part_of": purpose.inherits,
                "lawful_basis": purpose.basis,
                "clauses": purpose.clauses,
                "dpv": purpose.dpv,
                "forbidden": policy.forbidden(name),
                "needs_consent": policy.consents(name),
            }
            for name, purpose in file.purposes.items()
        },
        "retention": {
            name: {"from": rule.clock, "keep": rule.keep, "ground": rule.ground}
            for name, rule in file.retention.items()
        },
    }
