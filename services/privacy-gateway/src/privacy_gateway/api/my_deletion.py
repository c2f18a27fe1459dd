"""The customer's own: what is held of them, why and until when; and having it deleted."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.deletion import asking, confirming, correspondence
from privacy_gateway.domain.deletion.asking import InProgress
from privacy_gateway.domain.deletion.means import Means, deletion_access, known
from privacy_gateway.domain.deletion.plan import plan
from privacy_gateway.domain.retention.standing import standing
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.models import Deletion
from privity_contracts.ids import BODY
from privity_rest import NotAllowed, Unauthenticated

router = APIRouter()


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


When = Literal["after_grace", "at_once"]


class Wish(_Form):
    """`at_once` gives the grace away, once a code from the mailbox has confirmed it. `leave`: what
    is under way goes when it has ended."""

    when: When = "after_grace"
    orders_in_progress: InProgress = "refuse"


class Confirmation(_Form):
    code: Annotated[str, Field(pattern=r"^[0-9 \u00a0-]{8,16}$", repr=False)]


class ReceiptWanted(_Form):
    id: Annotated[str, Field(pattern=rf"^del_{BODY}$")]
    receipt_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32}$", repr=False)]


@router.get("/v1/my/holdings")
async def my_holdings(request: Request) -> dict[str, Any]:
    means, subject = _means(request), _subject(request)
    access = _access(means, subject, "holdings_shown", subject)
    [receipt] = await means.audit.record([access])
    return {
        "items": standing(await known(means, subject), means.policy),
        "next_cursor": None,
        "privacy": {
            "purpose": "self_service",
            "policy": means.policy.version,
            "record": receipt.record_id,
            "withheld": [],
        },
    }


@router.post("/v1/my/deletion", status_code=202)
async def ask(request: Request, body: Annotated[Wish, body_of(Wish)]) -> dict[str, Any]:
    """What would stay is said at once. Asked twice, it is one deletion; its key is shown once.

    `at_once` sends a code; until it is confirmed with that, it is a deletion after the grace.
    """
    means, subject = _means(request), _subject(request)
    now = means.clock()
    decided = plan(await known(means, subject), means.policy.file, now=now)
    if decided.in_progress and body.orders_in_progress == "refuse":
        raise asking.OrdersInProgress(f"{len(decided.in_progress)} under way")
    async with means.database.transaction() as tx:
        asked = await asking.ask(
            tx,
            subject,
            by=None,
            orders_in_progress=body.orders_in_progress,
            file=means.policy.file,
            now=now,
        )
        if body.when == "at_once" and asked.deletion.state in {"proposed", "waiting"}:
            await confirming.issue(tx, asked.deletion, now=now)
        access = _access(means, subject, "deletion_asked", asked.deletion.id)
        await means.audit.record([access])
    return {
        **shown(asked.deletion),
        "confirmation": "by_mail" if body.when == "at_once" else None,
        "receipt_key": asked.receipt_key,
        "keeps": [
            {"scope": part.scope, "class": part.retention_class, "why": part.why}
            | {"until": part.until}
            for part in decided.stay
        ],
    }


@router.post("/v1/my/deletion/confirmation")
async def confirm(
    request: Request, body: Annotated[Confirmation, body_of(Confirmation)]
) -> dict[str, Any]:
    """It runs now. A code that is wrong, too old, tried too often or was never sent is refused in
    the same words."""
    means, subject = _means(request), _subject(request)
    now = means.clock()
    async with means.database.transaction() as tx:
        code = await confirming.count_attempt(tx, subject, now=now)
    key = means.vault.derived_key(correspondence.CODES)
    try:
        if not confirming.matches(body.code, code, key=key) or code is None:
            raise confirming.CodeNotAccepted
        async with means.database.transaction() as tx:
            deletion = await confirming.confirm(tx, subject, deletion_id=code.deletion_id, now=now)
            access = _access(means, subject, "deletion_confirmed", deletion.id)
            await means.audit.record([access])
            return shown(deletion)
    except confirming.CodeNotAccepted as refusal:
        refused = _access(means, subject, refusal.code, subject)
        await means.audit.record([replace(refused, kind="refusal", decision="refuse")])
        raise


@router.get("/v1/my/deletion")
async def mine(request: Request) -> dict[str, Any]:
    means, subject = _means(request), _subject(request)
    async with means.database.transaction() as tx:
        return shown(await asking.of(tx, subject))


@router.delete("/v1/my/deletion")
async def undo(request: Request) -> dict[str, Any]:
    means, subject = _means(request), _subject(request)
    async with means.database.transaction() as tx:
        deletion = await asking.of(tx, subject, lock=True)
        await asking.undo(tx, deletion, now=means.clock())
        access = _access(means, subject, "deletion_undone", deletion.id)
        await means.audit.record([access])
        return shown(deletion)


@router.post("/v1/deletions/receipts")
async def receipt(
    request: Request, body: Annotated[ReceiptWanted, body_of(ReceiptWanted)]
) -> dict[str, Any]:
    """For who cannot sign in any more: the key that they were shown is enough."""
    means = _means(request)
    async with means.database.transaction() as tx:
        deletion = await asking.receipt(tx, body.id, body.receipt_key)
        return {**shown(deletion), "receipt": deletion.receipt}


@router.get("/v1/deletions/receipt-keys")
async def receipt_keys(request: Request) -> dict[str, Any]:
    """What anyone checks a receipt with (RFC 7517)."""
    return _means(request).receipts.jwks()


def shown(deletion: Deletion) -> dict[str, Any]:
    return {
        "id": deletion.id,
        "state": deletion.state,
        "step": deletion.step,
        "asked_at": deletion.asked_at,
        "runs_at": deletion.runs_at,
        "ended_at": deletion.ended_at,
    }


def _means(request: Request) -> Means:
    means: Means = request.app.state.deletion
    return means


def _access(means: Means, subject: str, change: str, resource: str) -> Access:
    """What the customer did themselves."""
    return replace(
        deletion_access(means, subject, change=change, resource=resource),
        kind="read" if change == "holdings_shown" else "change",
        actor=subject,
        actor_kind="customer",
        role="customer",
        purpose="self_service",
        clauses=means.policy.clauses("self_service"),
    )


def _subject(request: Request) -> str:
    caller: Caller = request.scope["privity.caller"]
    if caller.kind == "visitor":
        raise Unauthenticated("sign in first")
    if caller.kind != "customer" or caller.subject is None:
        raise NotAllowed("for customers only")
    return caller.subject
