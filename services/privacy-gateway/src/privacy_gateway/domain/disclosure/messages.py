"""Writing to a customer: the mail provider is a recipient like any other.

Asked twice under one id, it is sent once. A process that dies in the middle may have sent it: the
next one to ask sends it again once the claim has run out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.clients.mail import Mail, MailboxRefused, MailUnavailable
from privacy_gateway.domain.disclosure import letters
from privacy_gateway.domain.disclosure.letters import (
    OwnTemplateName,
    Template,
    TemplateName,
    UnusableAddress,
)
from privacy_gateway.domain.disclosure.record import Matter, Means, open_recorded, record_refusal
from privacy_gateway.domain.recipients import agreements
from privacy_gateway.domain.recipients.agreements import NotAgreed
from privacy_gateway.domain.vault.data_keys import KeyDestroyed
from privacy_gateway.models import Message, Recipient
from privity_contracts import Sealed
from privity_rest import Conflict, Unavailable

KIND = "mail"
CLAIM = timedelta(seconds=30)
Outcome = Literal["sent", "refused", "deleted"]


class AnotherMessage(Conflict):
    code = "another_message"
    title = "This id belongs to another message"


class MessageUnderWay(Unavailable):
    code = "message_under_way"


class MessageNotSent(Unavailable):
    code = "message_not_sent"
    title = "The message could not be sent right now"


@dataclass(frozen=True, slots=True)
class MessageRequest:
    id: str
    template: TemplateName | OwnTemplateName
    subject_id: str
    email: Sealed
    facts: Mapping[str, str]


async def send(
    request: MessageRequest,
    matter: Matter,
    *,
    by: Means,
    mail: Mail,
    now: datetime,
) -> Outcome:
    """Raises MessageNotSent, MessageUnderWay, AnotherMessage, NotTheirs."""
    template = letters.of(request.template)
    purpose = by.policy.recipient_purpose(KIND)
    try:
        earlier = await _claim(request, template, matter.recipient_id, by=by, now=now)
    except NotAgreed as refusal:
        await record_refusal(
            by, matter, purpose=purpose, fields=template.accesses, reason=refusal.reason
        )
        raise MessageNotSent(refusal.reason) from None
    if earlier is not None:
        return earlier
    try:
        opened = await open_recorded(
            by, matter, {"email": request.email}, purpose=purpose, fields=template.accesses
        )
        to = letters.mailbox(opened["email"])
        message = letters.write(
            template,
            request.facts,
            message_id=request.id,
            sender=mail.sender.address,
            shop=mail.sender.name,
            to=to,
            now=now,
        )
        await mail.send(message, to=to)
    except KeyDestroyed:
        outcome: Outcome = "deleted"
    except (MailboxRefused, UnusableAddress):
        outcome = "refused"
    except MailUnavailable as exc:
        async with by.database.transaction() as tx:
            await _release(tx, request.id, now=now)
        raise MessageNotSent(str(exc)) from None
    else:
        outcome = "sent"
    async with by.database.transaction() as tx:
        await _finish(tx, request.id, outcome, now=now)
    return outcome


async def mail_recipient(tx: AsyncSession, mail: Mail) -> str | None:
    """Who runs the mail server that we use, according to the register."""
    return await tx.scalar(
        select(Recipient.id)
        .where(Recipient.kind == KIND, Recipient.endpoint == mail.server.endpoint)
        .order_by(Recipient.status, Recipient.id)  # an active one before a suspended one
        .limit(1)
    )


async def _claim(
    request: MessageRequest,
    template: Template,
    recipient_id: str | None,
    *,
    by: Means,
    now: datetime,
) -> Outcome | None:
    """What became of it earlier, or nothing: then it is ours to send for a while.

    Raises NotAgreed, MessageUnderWay and AnotherMessage.
    """
    async with by.database.transaction() as tx:
        known = await tx.get(Message, request.id)
        if known is not None and known.template != request.template:
            raise AnotherMessage(request.id)
        if known is not None and known.outcome is not None:
            return _outcome(known.outcome)
        recipient = await tx.get(Recipient, recipient_id) if recipient_id else None
        if recipient is None:
            raise NotAgreed("no_recipient")
        await agreements.covering(
            tx,
            recipient,
            purpose=by.policy.recipient_purpose(KIND),
            categories=template.categories,
            now=now,
        )
        if not template.categories <= by.policy.allow_list(KIND):
            raise NotAgreed("category_not_allowed")
        claimed = await tx.scalar(
            insert(Message)
            .values(
                id=request.id,
                recipient_id=recipient.id,
                template=request.template,
                claimed_until=now + CLAIM,
            )
            .on_conflict_do_update(
                index_elements=[Message.id],
                set_={"claimed_until": now + CLAIM, "recipient_id": recipient.id},
                where=(Message.claimed_until <= now) & Message.outcome.is_(None),
            )
            .returning(Message.id)
        )
        if claimed is None:
            raise MessageUnderWay(request.id)
        return None


async def _release(tx: AsyncSession, message_id: str, *, now: datetime) -> None:
    await tx.execute(update(Message).where(Message.id == message_id).values(claimed_until=now))


async def _finish(tx: AsyncSession, message_id: str, outcome: Outcome, *, now: datetime) -> None:
    await tx.execute(
        update(Message).where(Message.id == message_id).values(outcome=outcome, finished_at=now)
    )


def _outcome(text: str) -> Outcome:
    match text:
        case "sent" | "refused" | "deleted":
            return text
    raise ValueError(f"no outcome of a message: {text}")
