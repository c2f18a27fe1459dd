"""What partners report about their shipments: who says so first, what they say afterwards."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from privacy_gateway.domain.disclosure import schemas, signature
from privacy_gateway.domain.disclosure.signature import NotSigned
from privacy_gateway.domain.intake.strict_json import parse_object
from privacy_gateway.domain.recipients import webhook_secrets
from privacy_gateway.domain.vault.kek import KeyEncryption
from privity_contracts import ids
from privity_database import Database
from privity_rest import Unauthenticated, Unprocessable


class NotFromPartner(Unauthenticated):
    """An unknown partner and a bad signature look the same."""

    code = "not_signed"
    title = "Not signed by this partner, or not just now"


class NotAReport(Unprocessable):
    code = "not_a_tracking_report"
    title = "Not a tracking report as published"


async def authenticate(
    recipient_id: str,
    untrusted_headers: Mapping[str, str],
    untrusted_body: bytes,
    *,
    database: Database,
    keks: KeyEncryption,
    now: datetime,
) -> None:
    """Raises NotFromPartner. Suspended partners may report: their parcels are still under way."""
    accepted: list[str] = []
    if ids.is_id(recipient_id, "rcp"):
        async with database.transaction() as tx:
            rows = await webhook_secrets.valid(tx, recipient_id, use="callback", now=now)
        accepted = await webhook_secrets.unwrap(keks, rows)
    try:
        signature.verify(
            untrusted_body,
            untrusted_headers,
            # Nobody's secret, so that a partner who does not exist takes as long to refuse.
            accepted_secrets=accepted or [webhook_secrets.random_text()],
            now=now,
        )
    except NotSigned:
        raise NotFromPartner from None


def read(body: bytes) -> dict[str, Any]:
    """Raises MalformedJson and NotAReport."""
    report = parse_object(body)
    if errors := schemas.errors(schemas.TRACKING_REPORT, report):
        raise NotAReport(errors=errors)
    return report
