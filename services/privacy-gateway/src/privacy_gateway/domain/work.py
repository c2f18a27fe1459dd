"""Whether a piece of work is somebody's, whether it is open, and what it covers.

The services that own cases and orders are asked each time: a grant is as true as their answer, and
no older. What does not exist and what is somebody else's are refused alike.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from privacy_gateway.clients.services import Services
from privacy_gateway.domain.contracts.gaps import CASE_WORK
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import Purpose
from privacy_gateway.domain.tokens import caller
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_rest import NotAllowed, Unavailable

FORM: Final = re.compile(
    rf"shop|site/[a-z0-9][a-z0-9-]{{0,31}}|order/ord_{ids.BODY}|case/cas_{ids.BODY}"
)
ANSWER_SECONDS = 1.5
OPEN_CASE: Final = frozenset({"open", "assigned"})
ENDED_ORDER: Final = frozenset({"delivered", "cancelled"})


class NotTheirWork(NotAllowed):
    """`reason` is a code, for the record and the answer."""

    code = "work_not_yours"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WorkUnknown(Unavailable):
    code = "work_unknown"
    title = "Whose work it is cannot be told right now"


@dataclass(frozen=True, slots=True)
class WorkBinding:
    """One customer, or anyone; these scopes (`order/*` for all of a kind), or any."""

    subject: str | None
    scopes: frozenset[str] | None
    site: str | None


ANYTHING: Final = WorkBinding(None, None, None)


class Work:
    def __init__(self, services: Services, *, policy: Callable[[], Policy]) -> None:
        self._services = services
        self._policy = policy

    async def check(
        self, work: str, *, member: StaffMember, purpose: str, request_id: str, now: datetime
    ) -> WorkBinding:
        """Raises NotTheirWork, WorkUnknown, and Unavailable when a service does not answer."""
        file = self._policy().file
        terms = file.purposes[purpose]
        kind, _, name = work.partition("/")
        if kind not in terms.work or FORM.fullmatch(work) is None:
            raise NotTheirWork("work_kind_not_allowed")
        match kind:
            case "site":
                return self._site(name, member)
            case "case":
                return await self._case(name, member, terms, request_id)
            case "order":
                days = timedelta(days=file.limits.order_days)
                return await self._order(name, member, days, request_id, now)
        return ANYTHING

    async def kind_of_case(self, case_id: str, *, request_id: str) -> str | None:
        """Nothing when there is no such case. Raises WorkUnknown, and Unavailable."""
        path = CASE_WORK.format(case_id=case_id)
        found = await self._ask("customers", path, case_id, request_id)
        if found is None:
            return None
        kind = found.get("kind")
        if not isinstance(kind, str):
            raise WorkUnknown(case_id)
        return kind

    def is_for(self, roles: Collection[str], kind: str) -> bool:
        """Whether one of these roles follows up cases of this kind."""
        policy = self._policy()
        purposes = (name for name, each in policy.file.purposes.items() if kind in each.cases)
        return any(policy.may(role, purpose) for purpose in purposes for role in roles)

    def _site(self, name: str, member: StaffMember) -> WorkBinding:
        if name not in member.sites:
            raise NotTheirWork("work_not_yours")
        # Which orders are the site's is known to the services that hold them.
        return WorkBinding(None, frozenset({"order/*"}), name)

    async def _case(
        self, case_id: str, member: StaffMember, terms: Purpose, request_id: str
    ) -> WorkBinding:
        found = await self._ask("customers", CASE_WORK.format(case_id=case_id), case_id, request_id)
        if found is None or found.get("assignee") != member.id:
            raise NotTheirWork("work_not_yours")
        if found.get("state") not in OPEN_CASE:
            raise NotTheirWork("work_not_open")
        if found.get("kind") not in terms.cases:
            raise NotTheirWork("case_kind_not_allowed")
        subject, order = found.get("subject_id"), found.get("order_id")
        if not _is_id(subject, "cus") or not (order is None or _is_id(order, "ord")):
            raise WorkUnknown(case_id)
        if terms.reach == "person":
            return WorkBinding(subject, None, None)
        scopes = {f"case/{case_id}", f"account/{subject}"}
        if order is not None:
            scopes.add(f"order/{order}")
        return WorkBinding(subject, frozenset(scopes), None)

    async def _order(
        self,
        order_id: str,
        member: StaffMember,
        stays_open: timedelta,
        request_id: str,
        now: datetime,
    ) -> WorkBinding:
        found = await self._ask("orders", f"/v1/orders/{order_id}", order_id, request_id)
        if found is None or found.get("site") not in member.sites:
            raise NotTheirWork("work_not_yours")
        if found.get("state") in ENDED_ORDER and _moment(found, order_id) + stays_open < now:
            raise NotTheirWork("work_not_open")
        return WorkBinding(None, frozenset({f"order/{order_id}"}), found["site"])

    async def _ask(
        self, service: str, path: str, wanted: str, request_id: str
    ) -> dict[str, Any] | None:
        """What the owning service says; nothing when there is no such thing."""
        headers = caller.service("privacy-gateway").headers(request_id)
        answer = await self._services.send(
            service, "GET", path, headers=headers, timeout_seconds=ANSWER_SECONDS
        )
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise WorkUnknown(wanted)
        found = orjson.loads(answer.body)
        if not isinstance(found, dict) or found.get("id") != wanted:
            raise WorkUnknown(wanted)
        return found


def _is_id(value: object, prefix: str) -> bool:
    return isinstance(value, str) and ids.is_id(value, prefix)


def _moment(found: dict[str, Any], wanted: str) -> datetime:
    try:
        return datetime.fromisoformat(found["updated_at"])
    except (KeyError, TypeError, ValueError):
        raise WorkUnknown(wanted) from None
