"""The secrets shared with partners: minted here, shown once, kept wrapped.

A rotation cuts nobody off: the old secret stays good for the overlap, and a second rotation does
not shorten that. With no overlap it ends at once, for a secret that has leaked. What has ended is
destroyed within seconds, on record (`key_steps`).
"""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.vault.kek import Belonging, KeyEncryption, Wrapped
from privacy_gateway.models import Recipient, WebhookSecret
from privity_contracts import ids
from privity_rest import Conflict

Use = Literal["webhook", "callback"]
USES: Final[tuple[Use, ...]] = ("webhook", "callback")
MOST_VALID = 4
"""Each one more lengthens the signature header of every delivery."""


class TooManySecrets(Conflict):
    code = "too_many_secrets"
    title = "Too many earlier secrets are still good; rotate without overlap, or wait"


@dataclass(frozen=True, slots=True)
class FreshSecret:
    """The one moment in which the secret itself is at hand."""

    row: WebhookSecret
    text: str = field(repr=False)


def random_text() -> str:
    """As Standard Webhooks writes secrets."""
    return f"whsec_{base64.b64encode(os.urandom(32)).decode()}"


async def mint(keks: KeyEncryption, recipient_id: str, use: Use, *, now: datetime) -> FreshSecret:
    """To be called outside of any transaction: the key-encryption key may lie across a network."""
    text, secret_id = random_text(), ids.mint("key")
    wrapped = await keks.wrap(text.encode(), _belonging(secret_id, recipient_id, use))
    row = WebhookSecret(
        id=secret_id,
        recipient_id=recipient_id,
        use=use,
        wrapped=wrapped.text,
        kek_id=wrapped.kek_id,
        created_at=now,
    )
    return FreshSecret(row, text)


async def rotate(
    tx: AsyncSession, fresh: FreshSecret, *, overlap: timedelta, now: datetime
) -> None:
    """Raises TooManySecrets."""
    # Two rotations at once go one after the other, so that they count one another.
    await tx.execute(
        select(Recipient.id)
        .where(Recipient.id == fresh.row.recipient_id)
        .with_for_update(key_share=True)
    )
    ends = now + overlap
    mine = (
        WebhookSecret.recipient_id == fresh.row.recipient_id,
        WebhookSecret.use == fresh.row.use,
    )
    await tx.execute(
        update(WebhookSecret)
        .where(*mine)
        .values(expires_at=func.least(func.coalesce(WebhookSecret.expires_at, ends), ends))
    )
    tx.add(fresh.row)
    await tx.flush()
    if len(await valid(tx, fresh.row.recipient_id, use=fresh.row.use, now=now)) > MOST_VALID:
        raise TooManySecrets(f"{fresh.row.use} secrets of {fresh.row.recipient_id}")


async def valid(
    tx: AsyncSession, recipient_id: str, *, use: str, now: datetime
) -> Sequence[WebhookSecret]:
    """The newest first."""
    statement = (
        select(WebhookSecret)
        .where(
            WebhookSecret.recipient_id == recipient_id,
            WebhookSecret.use == use,
            or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > now),
        )
        .order_by(WebhookSecret.id.desc())
    )
    return (await tx.scalars(statement)).all()


async def of(tx: AsyncSession, recipient_id: str) -> Sequence[WebhookSecret]:
    statement = (
        select(WebhookSecret)
        .where(WebhookSecret.recipient_id == recipient_id)
        .order_by(WebhookSecret.id)
    )
    return (await tx.scalars(statement)).all()


async def unwrap(keks: KeyEncryption, rows: Sequence[WebhookSecret]) -> list[str]:
    """Raises NotUnwrapped."""
    return [
        (
            await keks.unwrap(
                Wrapped(row.kek_id, row.wrapped),
                _belonging(row.id, row.recipient_id, row.use),
            )
        ).decode()
        for row in rows
    ]


def _belonging(secret_id: str, recipient_id: str, use: str) -> Belonging:
    return Belonging(secret_id, recipient_id, f"recipient/{recipient_id}", f"{use}_secret")
