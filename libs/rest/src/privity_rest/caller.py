"""Who is asking, as the gateway states it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from privity_rest.refusals import NotAllowed, Unauthenticated

KINDS = frozenset({"customer", "staff", "service", "partner", "visitor"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The person or program behind a request that the gateway has let through.

    `actor` is who acts (`cus_…`, `stf_…`, `svc_orders`, `rcp_…`, `visitor`), `subject` the
    customer whose token it is, `work` what ties a staff member to a subject. What the work covers:
    with `work_subject` one customer, with `work_scopes` these scopes alone.
    """

    kind: str
    actor: str
    role: str
    purpose: str
    subject: str | None = None
    work: str | None = None
    session: str | None = None
    new_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None
    work_subject: str | None = None
    work_scopes: frozenset[str] | None = None

    def covered(self, kind: str) -> frozenset[str] | None:
        """The ids of this kind of scope (`order`) that the work names; nothing where it covers
        everything of its subject."""
        if self.work_scopes is None:
            return None
        parts = (scope.partition("/") for scope in self.work_scopes)
        return frozenset(name for of, _, name in parts if of == kind)

    @property
    def sites(self) -> frozenset[str]:
        """The warehouse sites that the work names."""
        kind, _, name = (self.work or "").partition("/")
        return frozenset({name}) if kind == "site" and name else frozenset()


def caller(request: Request) -> Caller:
    headers = request.headers
    kind, actor = headers.get("privity-caller"), headers.get("privity-actor")
    if kind not in KINDS or not actor:
        raise Unauthenticated("the gateway did not say who is asking")
    scopes = headers.get("privity-work-scopes")
    return Caller(
        kind=kind,
        actor=actor,
        role=headers.get("privity-role", ""),
        purpose=headers.get("privity-purpose", ""),
        subject=headers.get("privity-subject"),
        work=headers.get("privity-work"),
        session=headers.get("privity-session"),
        new_id=headers.get("privity-new-id"),
        idempotency_key=headers.get("idempotency-key"),
        fingerprint=headers.get("privity-fingerprint"),
        work_subject=headers.get("privity-work-subject"),
        work_scopes=None if scopes is None else frozenset(scopes.split()),
    )


AnyCaller = Annotated[Caller, Depends(caller)]


def _customer(who: AnyCaller) -> Caller:
    if who.kind != "customer" or who.subject is None:
        raise NotAllowed("for customers only")
    return who


def _staff(who: AnyCaller) -> Caller:
    if who.kind != "staff":
        raise NotAllowed("for staff only")
    return who


def _service(who: AnyCaller) -> Caller:
    if who.kind != "service":
        raise NotAllowed("for services only")
    return who


def _gateway(who: AnyCaller) -> Caller:
    if who.kind != "service" or who.actor != "svc_privacy-gateway":
        raise NotAllowed("for the gateway itself")
    return who


def _partner(who: AnyCaller) -> Caller:
    if who.kind != "partner":
        raise NotAllowed("for partners only")
    return who


Customer = Annotated[Caller, Depends(_customer)]
Staff = Annotated[Caller, Depends(_staff)]
ServiceCaller = Annotated[Caller, Depends(_service)]
GatewayItself = Annotated[Caller, Depends(_gateway)]
Partner = Annotated[Caller, Depends(_partner)]
