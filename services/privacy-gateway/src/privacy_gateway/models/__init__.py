"""Tables, in four databases: `Base` is the gateway's own (who works here, which tokens no longer
count, recipients and what went to them), `KeyBase` the data keys, `AuditBase` the records,
`JournalBase` what was deleted. They have a database each, so that backups and roles can differ.
"""

from privacy_gateway.models.audit import (
    ArchivedMonth,
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
from privacy_gateway.models.databases import AuditBase, Base, JournalBase, KeyBase
from privacy_gateway.models.deletions import (
    Deletion,
    DeletionCode,
    JournalEntry,
    KeyReplayMark,
    PurgeRequest,
    ReplayMark,
)
from privacy_gateway.models.exports import Export, ExportPart
from privacy_gateway.models.keys import (
    DataKeyRow,
    KeyHolder,
    KeyNotice,
    KeyRotation,
    KeyStep,
    RingKey,
)
from privacy_gateway.models.recipients import Agreement, Delivery, Message, Recipient, WebhookSecret
from privacy_gateway.models.retention import (
    LeftBehind,
    LegalHold,
    RetentionClock,
    RetentionEnd,
    Sweep,
)
from privacy_gateway.models.staff import Revocation, SignInAttempts, StaffMember
from privacy_gateway.models.watch import Alert, RecordCount, WatchPlace
from privity_jobs import schema

schema.declare(Base.metadata)

__all__ = [
    "Agreement",
    "Alert",
    "ArchivedMonth",
    "AuditBase",
    "Base",
    "BreakGlass",
    "BudgetDay",
    "BudgetRaise",
    "BudgetSubject",
    "Checkpoint",
    "CountedEvent",
    "DataKeyRow",
    "Deletion",
    "DeletionCode",
    "Delivery",
    "Export",
    "ExportPart",
    "JournalBase",
    "JournalEntry",
    "KeyBase",
    "KeyHolder",
    "KeyNotice",
    "KeyReplayMark",
    "KeyRotation",
    "KeyStep",
    "LeftBehind",
    "LegalHold",
    "LogBatch",
    "Message",
    "OrderVolume",
    "Process",
    "PurgeRequest",
    "Recipient",
    "Record",
    "RecordCount",
    "ReplayMark",
    "RetentionClock",
    "RetentionEnd",
    "Revocation",
    "RingKey",
    "Sequencing",
    "SignInAttempts",
    "SignedBatch",
    "StaffMember",
    "Sweep",
    "TagOpening",
    "Tile",
    "WatchPlace",
    "WebhookSecret",
]
