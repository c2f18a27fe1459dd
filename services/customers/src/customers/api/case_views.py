"""What a case looks like from outside, and what kind of data each part of it is."""

from typing import Annotated

from pydantic import AwareDatetime

from customers.domain.case_assignment import HandoverReason
from customers.domain.case_history import Actor, Change
from customers.models import Case, CaseChange, CaseKind, CaseMessage, CaseState, Outcome
from privity_contracts import OPERATIONAL, Category, Contract, Sealed, Timestamp
from privity_contracts.ids import CaseId, CaseMessageId, OrderId, RecordId, StaffId, SubjectId
from privity_rest import Caller

# What somebody turned to us with, and when.
REQUEST = Category("user.behavior")
Text = Annotated[Sealed, Category("user.content.private")]
Kind = Annotated[CaseKind, REQUEST]
State = Annotated[CaseState, REQUEST]
Moment = Annotated[AwareDatetime, REQUEST]

# For whom a case is work. What they get of it is for the policy to say.
FOLLOWING_UP = ["enquiries", "complaints", "feedback", "returns", "rights_requests"]


class CaseOpened(Contract):
    id: CaseId
    due_at: Timestamp


class CaseSummary(Contract):
    id: CaseId
    kind: Kind
    order_id: OrderId | None
    state: State
    opened_at: Moment
    due_at: Timestamp
    closed_at: Moment | None
    outcome: Annotated[Outcome | None, REQUEST]


class CasePage(Contract, subject="subject_id"):
    subject_id: SubjectId
    items: list[CaseSummary]
    next_cursor: CaseId | None


class CaseView(Contract, subject="subject_id", scope="case/id"):
    id: CaseId
    subject_id: SubjectId
    kind: Kind
    order_id: OrderId | None
    record_id: RecordId | None
    state: State
    opened_at: Moment
    due_at: Timestamp
    closed_at: Moment | None
    outcome: Annotated[Outcome | None, REQUEST]
    assignee: StaffId | None


class QueuedCase(Contract):
    """A case as something to do. Whose it is, is not known before somebody takes it; without a
    person, what kind it is and how it stands say nothing about anybody."""

    id: CaseId
    kind: Annotated[CaseKind, OPERATIONAL]
    state: Annotated[CaseState, OPERATIONAL]
    opened_at: Timestamp
    due_at: Timestamp
    assignee: StaffId | None


class CaseQueue(Contract):
    """Most urgent first."""

    items: list[QueuedCase]
    next_cursor: CaseId | None


class MessageSent(Contract):
    id: CaseMessageId
    sent_at: Timestamp


class MessageView(Contract):
    id: CaseMessageId
    from_customer: Annotated[bool, REQUEST]
    content: Text
    sent_at: Moment


class MessagePage(Contract, subject="subject_id", scope="case/case_id"):
    """Oldest first."""

    case_id: CaseId
    subject_id: SubjectId
    items: list[MessageView]
    next_cursor: CaseMessageId | None


class ChangeView(Contract):
    what: Annotated[Change, REQUEST]
    at: Moment
    role: Annotated[str, OPERATIONAL]
    actor: Annotated[str | None, Category("user.unique_id")]
    assignee: StaffId | None
    reason: Annotated[HandoverReason | None, OPERATIONAL]
    outcome: Annotated[Outcome | None, REQUEST]


class HistoryView(Contract, subject="subject_id", scope="case/case_id"):
    case_id: CaseId
    subject_id: SubjectId
    items: list[ChangeView]


def case_view(case: Case, *, reader: Caller) -> CaseView:
    """Customers learn that somebody follows up, not which member of the staff it is."""
    view = CaseView.model_validate(case)
    return view.model_copy(update={"assignee": None}) if reader.kind == "customer" else view


def message_view(message: CaseMessage, *, of: Case) -> MessageView:
    return MessageView(
        id=message.id,
        from_customer=message.author == of.subject_id,
        content=message.content,
        sent_at=message.sent_at,
    )


def change_view(change: CaseChange, *, reader: Caller) -> ChangeView:
    """Customers learn in what role somebody acted, and nothing of how staff divide their work."""
    inside = reader.kind != "customer"
    what, reason = Change(change.what), change.reason
    return ChangeView(
        what=what,
        at=change.at,
        role=change.role,
        actor=change.actor if inside or change.actor == reader.actor else None,
        assignee=change.assignee if inside else None,
        reason=HandoverReason(reason) if reason and inside and what is Change.HANDED_OVER else None,
        outcome=Outcome(reason) if reason and what is Change.CLOSED else None,
    )


def actor(caller: Caller) -> Actor:
    return Actor(caller.actor, caller.role)
