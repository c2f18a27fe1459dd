"""Telling the data protection officer: at once, again until it worked, and when a review is late.

What is to be told stands in the table; a process that ends in between leaves it to the next. A mail
may come twice. It says who, why and until when, and nothing of a customer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.clients.mail import Mail, MailboxRefused, MailUnavailable
from privacy_gateway.models import BreakGlass
from privity_database import Database
from privity_rest import Unavailable
from privity_rest.background import beside

LOOK_SECONDS: Final = 5.0
PUT_OFF: Final = timedelta(seconds=20)
LONGEST_PUT_OFF: Final = timedelta(minutes=15)
REMINDED_EVERY: Final = timedelta(days=1)

_SUBJECTS: Final = {
    "opened": "Emergency access: {role}",
    "overdue": "Emergency access not reviewed yet: {role}",
}
_TEXT: Final = """\
Somebody has access to customers' data in an emergency, without a piece of work.

    number   {id}
    person   {staff_id}
    role     {role}
    reason   {reason}
    ticket   {ticket}
    from     {opened_at:%Y-%m-%d %H:%M} UTC
    until    {ends_at:%Y-%m-%d %H:%M} UTC

Please look at it by {review_by:%Y-%m-%d %H:%M} UTC: what was read stands in the record of
accesses under the purpose break_glass. Not justified ends the access at once.
"""
_log = structlog.get_logger("privity.break_glass")


class Telling:
    def __init__(
        self,
        database: Database,
        mail: Mail,
        *,
        to: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._mail = mail
        self._to = to
        self._clock = clock
        self._poke = asyncio.Event()

    def poke(self) -> None:
        """There is something new to tell."""
        self._poke.set()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with beside(self._follow(), name="break-glass"):
            yield

    async def _follow(self) -> None:
        while True:
            self._poke.clear()
            try:
                while await self.tell_one() or await self.remind_one():
                    pass
            except Unavailable as exc:
                _log.warning("break_glass_not_read", reason=exc.code)
            except Exception as exc:  # noqa: BLE001  # the worker: ended, it would tell nobody
                _log.error("break_glass_not_read", reason=type(exc).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._poke.wait()

    async def tell_one(self) -> bool:
        """Whether there was one to tell of."""
        now = self._clock()
        async with self._database.transaction() as tx:
            opening = await _claim(tx, now=now)
        if opening is None:
            return False
        if await self._send("opened", opening, now=now):
            async with self._database.transaction() as tx:
                await tx.execute(
                    update(BreakGlass).where(BreakGlass.id == opening.id).values(told_at=now)
                )
        return True

    async def remind_one(self) -> bool:
        """Whether the review of one was late."""
        now = self._clock()
        async with self._database.transaction() as tx:
            opening = await _claim_overdue(tx, now=now)
        if opening is None:
            return False
        await self._send("overdue", opening, now=now)
        return True

    async def _send(self, what: str, opening: BreakGlass, *, now: datetime) -> bool:
        message = self._letter(what, opening, now=now)
        try:
            await self._mail.send(message, to=self._to)
        except (MailUnavailable, MailboxRefused) as exc:
            _log.error(
                "data_protection_not_told",
                opening=opening.id,
                what=what,
                tries=opening.tries,
                reason=type(exc).__name__,
            )
            return False
        return True

    def _letter(self, what: str, opening: BreakGlass, *, now: datetime) -> EmailMessage:
        sender = self._mail.sender
        facts = {
            name: getattr(opening, name)
            for name in ("id", "staff_id", "reason", "ticket", "opened_at", "ends_at", "review_by")
        } | {"role": opening.role.replace("_", " ")}
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(display_name=sender.name, addr_spec=sender.address)
        message["To"] = Address(addr_spec=self._to)
        message["Subject"] = _SUBJECTS[what].format(role=facts["role"])
        message["Date"] = now
        day = f".{now:%Y%m%d}" if what == "overdue" else ""
        message["Message-ID"] = f"<{opening.id}.{what}{day}@{sender.address.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_TEXT.format(**facts))
        return message


async def _claim(tx: AsyncSession, *, now: datetime) -> BreakGlass | None:
    """Ours to tell of until its next try; every other process sees it put off."""
    opening = await tx.scalar(
        select(BreakGlass)
        .where(BreakGlass.told_at.is_(None), BreakGlass.next_try_at <= now)
        .order_by(BreakGlass.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if opening is not None:
        opening.next_try_at = now + min(PUT_OFF * 2 ** min(opening.tries, 10), LONGEST_PUT_OFF)
        opening.tries += 1
    return opening


async def _claim_overdue(tx: AsyncSession, *, now: datetime) -> BreakGlass | None:
    opening = await tx.scalar(
        select(BreakGlass)
        .where(
            BreakGlass.outcome.is_(None),
            BreakGlass.review_by <= now,
            or_(
                BreakGlass.reminded_at.is_(None),
                BreakGlass.reminded_at <= now - REMINDED_EVERY,
            ),
        )
        .order_by(BreakGlass.review_by)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if opening is not None:
        opening.reminded_at = now
    return opening
