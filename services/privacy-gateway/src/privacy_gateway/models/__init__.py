"""Tables, in three databases: `Base` is the gateway's own (who works here, which tokens no longer
count, recipients and what went to them), `KeyBase` the data keys, `AuditBase` the records. Keys
and records have a database each, so that their backups and their roles can differ.
"""

from privacy_gateway.models.audit import (
    Checkpoint,
    LogBatch,
    Process,
    Record,
    Sequencing,
    SignedBatch,
    TagOpening,
    Tile,
)
from privacy_gateway.models.break_glass import BreakGlass
from privacy_gateway.models.budgets import (
    BudgetDay,
    BudgetRaise,
    BudgetSubject,
    CountedEvent,
    OrderVolume,
)
from privacy_gateway.models.databases import AuditBase, Base, KeyBase
from privacy_gateway.models.keys import DataKeyRow, KeyHolder, KeyNotice
from privacy_gateway.models.recipients import Agreement, Delivery, Message, Recipient, WebhookSecret
from privacy_gateway.models.staff import Revocation, SignInAttempts, StaffMember

__all__ = [
    "Agreement",
    "AuditBase",
    "Base",
    "BreakGlass",
    "BudgetDay",
    "BudgetRaise",
    "BudgetSubject",
    "Checkpoint",
    "CountedEvent",
    "DataKeyRow",
    "Delivery",
    "KeyBase",
    "KeyHolder",
    "KeyNotice",
    "LogBatch",
    "Message",
    "OrderVolume",
    "Process",
    "Recipient",
    "Record",
    "Revocation",
    "Sequencing",
    "SignInAttempts",
    "SignedBatch",
    "StaffMember",
    "TagOpening",
    "Tile",
    "WebhookSecret",
]
