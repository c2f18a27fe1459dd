"""Who is asking, established from what the request carried."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`kind` is customer, staff, service, partner or visitor; `actor` is who acts (`cus_…`,
    `stf_…`, `svc_orders`, `rcp_…`, `visitor`); `subject` the customer whose token it is; `work`
    what ties a staff member to a subject. `categories` narrows what a grant yields.

    What the work covers: with `work_subject`, one customer; with `work_scopes`, these alone
    (`order/*` for all of a kind). Neither: whatever the purpose yields.
    """

    kind: str
    actor: str
    subject: str | None
    role: str
    purpose: str
    work: str | None
    session: str | None
    token_id: str | None
    expires_at: float | None
    categories: frozenset[str] | None = None
    work_subject: str | None = None
    work_scopes: frozenset[str] | None = None

    def covers(self, *, subject: str, scope: str | None) -> bool:
        """Whether the work of a staff member has to do with this."""
        if self.work_subject is not None and subject != self.work_subject:
            return False
        scopes = self.work_scopes
        if scopes is None or scope in scopes:
            return True
        if scope is None:
            # Nothing in it is sealed; the customer or the service behind has to be enough.
            return self.work_subject is not None or any(each.endswith("/*") for each in scopes)
        return f"{scope.partition('/')[0]}/*" in scopes

    def headers(self, request_id: str) -> dict[str, str]:
        """How a service is told who is asking."""
        said = {
            "Request-Id": request_id,
            "Privity-Caller": self.kind,
            "Privity-Actor": self.actor,
            "Privity-Role": self.role,
            "Privity-Purpose": self.purpose,
        }
        if self.subject:
            said["Privity-Subject"] = self.subject
        if self.work:
            said["Privity-Work"] = self.work
        if self.work_subject:
            said["Privity-Work-Subject"] = self.work_subject
        if self.work_scopes is not None:
            said["Privity-Work-Scopes"] = " ".join(sorted(self.work_scopes))
        if self.session:
            said["Privity-Session"] = self.session
        return said


# A visitor has no purpose of their own: the route they call has.
VISITOR = Caller(
    kind="visitor",
    actor="visitor",
    subject=None,
    role="visitor",
    purpose="",
    work=None,
    session=None,
    token_id=None,
    expires_at=None,
)


def service(name: str) -> Caller:
    return Caller(
        kind="service",
        actor=f"svc_{name}",
        subject=None,
        role="service",
        purpose="service_operation",
        work=None,
        session=None,
        token_id=None,
        expires_at=None,
    )
