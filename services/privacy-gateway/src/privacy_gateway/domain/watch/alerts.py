"""Alerts: raised once for each matter, until somebody says what it was."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.domain.watch.looking import Finding
from privacy_gateway.models import Alert
from privity_contracts import ids
from privity_rest import Conflict, NotFound

Reason = Literal["explained", "rule_too_strict", "incident_opened", "access_taken_away"]
State = Literal["open", "acknowledged"]

_log = structlog.get_logger("privity.watch")


class AlertNotFound(NotFound):
    code = "alert_not_found"


class AlreadyAcknowledged(Conflict):
    code = "already_acknowledged"


async def raise_all(
    tx: AsyncSession, findings: Iterable[Finding], *, now: datetime
) -> list[Finding]:
    """Those that were not known. What is known already keeps the largest count."""
    fresh = []
    for finding in findings:
        alert_id = ids.mint("alr", clock=now.timestamp)
        statement = insert(Alert).values(
            id=alert_id,
            key=finding.key,
            rule=finding.rule,
            actor=finding.actor,
            role=finding.role,
            record_id=finding.record_id,
            count=finding.count,
            limit=finding.limit,
            first_at=finding.at,
            last_at=finding.at,
            raised_at=now,
        )
        known = statement.on_conflict_do_update(
            index_elements=[Alert.key],
            set_={
                "count": func.greatest(Alert.count, statement.excluded.count),
                "last_at": func.greatest(Alert.last_at, statement.excluded.last_at),
            },
        ).returning(Alert.id)
        if await tx.scalar(known) == alert_id:
            fresh.append(finding)
    return fresh


def tell(fresh: Iterable[Finding]) -> None:
    """In the log that operators read: the rule, and nobody's id or tag."""
    for finding in fresh:
        _log.error("alert_raised", rule=finding.rule, count=finding.count, limit=finding.limit)


async def page(
    tx: AsyncSession, *, state: State | None, rule: str | None, after: str | None, limit: int
) -> Sequence[Alert]:
    """Newest first. Raises AlertNotFound for an unknown place to go on from."""
    query = select(Alert).order_by(Alert.raised_at.desc(), Alert.id.desc()).limit(limit)
    if state is not None:
        acknowledged = Alert.acknowledged_at.is_not(None)
        query = query.where(acknowledged if state == "acknowledged" else ~acknowledged)
    if rule is not None:
        query = query.where(Alert.rule == rule)
    if after is not None:
        last = await find(tx, after)
        query = query.where(tuple_(Alert.raised_at, Alert.id) < tuple_(last.raised_at, last.id))
    return (await tx.scalars(query)).all()


async def find(tx: AsyncSession, alert_id: str) -> Alert:
    found = await tx.get(Alert, alert_id)
    if found is None:
        raise AlertNotFound(f"no alert {alert_id}")
    return found


async def acknowledge(
    tx: AsyncSession, alert_id: str, *, reason: Reason, by: str, now: datetime
) -> Alert:
    """The same person with the same reason again changes nothing."""
    alert = await tx.get(Alert, alert_id, with_for_update=True)
    if alert is None:
        raise AlertNotFound(f"no alert {alert_id}")
    if alert.acknowledged_at is None:
        alert.acknowledged_at, alert.acknowledged_by, alert.acknowledged_why = now, by, reason
    elif (alert.acknowledged_by, alert.acknowledged_why) != (by, reason):
        raise AlreadyAcknowledged(f"{alert_id} was acknowledged")
    return alert
