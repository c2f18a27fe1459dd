"""Cases, their messages and their history."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("opened_at", _time, nullable=False),
        sa.Column("due_at", _time, nullable=False),
        sa.Column("closed_at", _time),
        sa.Column("outcome", sa.String(20)),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.CheckConstraint(
            "kind IN ('enquiry', 'complaint', 'feedback', 'rights_request')", name="case_kind"
        ),
        sa.CheckConstraint("state IN ('open', 'assigned', 'closed')", name="case_state"),
        sa.CheckConstraint(
            "outcome IN ('resolved', 'not_justified', 'duplicate', 'withdrawn')",
            name="case_outcome",
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL AND outcome IS NOT NULL)",
            name="cases_closed_how",
        ),
        sa.CheckConstraint("state <> 'assigned' OR assignee IS NOT NULL", name="cases_assigned_to"),
        sa.CheckConstraint("state <> 'open' OR assignee IS NULL", name="cases_open_to_all"),
    )
    op.create_index("cases_by_subject", "cases", ["subject_id", "opened_at", "id"])
    op.create_index(
        "cases_to_do", "cases", ["due_at", "id"], postgresql_where=sa.text("state <> 'closed'")
    )
    op.create_table(
        "case_messages",
        sa.Column("id", sa.Text, primary_key=True),
        _case(),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("sent_at", _time, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
    )
    op.create_index("case_messages_by_case", "case_messages", ["case_id", "sent_at", "id"])
    op.create_table(
        "case_changes",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _case(),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("at", _time, nullable=False),
    )
    op.create_index("case_changes_by_case", "case_changes", ["case_id", "id"])


def _case() -> sa.Column[str]:
    return sa.Column(
        "case_id", sa.Text, sa.ForeignKey("cases.id", ondelete="CASCADE"), nullable=False
    )
