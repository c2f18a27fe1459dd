"""Jobs in: what happens after the answer has left."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from customers.clients import messages
from customers.domain import email_change, expiry, registration
from customers.domain.one_time_code import OneTimeCodes
from privity_contracts.ids import encode
from privity_database import Database
from privity_jobs import EVENT, Handler, Job, event_relay
from privity_rest import GatewayClient

Clock = Callable[[], datetime]


def _message_id(request_id: str, template: messages.Template) -> str:
    """Constant over retries, so that the gateway sends a letter once; another one when the letter
    is another, because the address got its owner between two tries."""
    digest = hashlib.sha256(f"{request_id}|{template}".encode()).digest()
    return f"msg_{encode(digest[:16])}"


def handlers(
    database: Database, gateway: GatewayClient, codes: OneTimeCodes, clock: Clock
) -> Mapping[str, Handler]:
    """By the kind of job."""

    async def post(letter: registration.Letter, *, request_id: str) -> None:
        facts = {}
        if letter.code_salt is not None:
            facts["code"] = codes.code(request_id=request_id, salt=letter.code_salt)
        await messages.send(
            gateway,
            message_id=_message_id(request_id, letter.template),
            template=letter.template,
            subject_id=letter.subject_id,
            email=letter.email,
            facts=facts,
        )

    def letters(
        decide: Callable[..., Awaitable[registration.Letter | None]],
        discard: Callable[[AsyncSession, str], Awaitable[None]],
    ) -> Handler:
        async def write(job: Job) -> None:
            request_id = job.payload["request_id"]
            async with database.transaction() as tx:
                letter = await decide(tx, request_id, now=clock())
            # Outside of any transaction, and after the commit: a code that has left is on record.
            if letter is not None:
                await post(letter, request_id=request_id)
            async with database.transaction() as tx:
                if letter is not None and letter.code_salt is None:
                    await discard(tx, request_id)
                await job.finish(tx)

        return write

    async def sweep(job: Job) -> None:
        now = clock()
        async with database.transaction() as tx:
            await expiry.sweep(tx, now=now)
            await expiry.schedule(tx, at=now + expiry.EVERY)
            await job.finish(tx)

    return {
        registration.LETTER: letters(registration.letter, registration.discard),
        email_change.LETTER: letters(email_change.letter, email_change.discard),
        expiry.SWEEP: sweep,
        EVENT: event_relay(gateway),
    }
