"""Telling the person by mail: that their deletion was asked for and until when it can be undone,
the code that confirms one at once, that it was undone, or that it begins: the last one before
their key goes.

Each letter has an id that follows from what it is about, so that it is sent once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from privacy_gateway.clients.mail import Mail
from privacy_gateway.clients.mailboxes import Mailboxes
from privacy_gateway.domain.disclosure import letters, messages
from privacy_gateway.domain.disclosure.letters import OwnTemplateName
from privacy_gateway.domain.disclosure.messages import MessageRequest
from privacy_gateway.domain.disclosure.record import Matter, Means
from privacy_gateway.domain.tokens import caller
from privacy_gateway.models import Deletion
from privity_contracts import ids

LETTER: Final = "deletion_letter"
NO_MAILBOX: Final = "no_mailbox"


class Telling:
    def __init__(self, means: Means, mail: Mail, mailboxes: Mailboxes) -> None:
        self._means = means
        self._mail = mail
        self._mailboxes = mailboxes

    async def asked(self, deletion: Deletion, *, now: datetime) -> str:
        until = deletion.runs_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return await self._write("deletion_asked", *_about(deletion), {"until": until}, now=now)

    async def begun(self, deletion: Deletion, *, now: datetime) -> str:
        facts = {"number": deletion.id}
        return await self._write("deletion_begun", *_about(deletion), facts, now=now)

    async def code(self, deletion: Deletion, code: str, *, mark: str, now: datetime) -> str:
        """`mark` is another one for another code."""
        facts = {"code": code}
        return await self._write("deletion_code", *_about(deletion), facts, mark, now=now)

    async def undone(self, deletion_id: str, subject: str, *, now: datetime) -> str:
        return await self._write("deletion_undone", deletion_id, subject, {}, now=now)

    async def _write(
        self,
        template: OwnTemplateName,
        deletion_id: str,
        subject: str,
        facts: Mapping[str, str],
        mark: str = "",
        *,
        now: datetime,
    ) -> str:
        """What became of it. Raises Unavailable."""
        letters.check(letters.of(template), facts)
        email = await self._mailboxes.of(subject)
        if email is None:
            return NO_MAILBOX
        async with self._means.database.transaction() as tx:
            recipient_id = await messages.mail_recipient(tx, self._mail)
        message_id = self._means.vault.deterministic_id("msg", template, deletion_id, mark)
        matter = Matter(
            caller=caller.service("privacy-gateway"),
            request_id=ids.mint("req"),
            recipient_id=recipient_id,
            subject_id=subject,
            scope=f"account/{subject}",
            resource=f"message/{message_id}",
        )
        request = MessageRequest(
            id=message_id, template=template, subject_id=subject, email=email, facts=facts
        )
        return await messages.send(request, matter, by=self._means, mail=self._mail, now=now)


def _about(deletion: Deletion) -> tuple[str, str]:
    assert deletion.subject_id is not None  # noqa: S101  # it is under way
    return deletion.id, deletion.subject_id
