"""Accounts, registrations, sessions, addresses, and the jobs behind them."""

import sqlalchemy as sa
from alembic import op

from privity_jobs import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    _accounts()
    _sessions()
    _addresses()
    op.create_table(
        "attempt_counts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("tried", sa.Integer, nullable=False),
        sa.Column("since", _time, nullable=False),
    )
    op.create_index("ix_attempt_counts_since", "attempt_counts", ["since"])
    schema.upgrade(op)  # type: ignore[arg-type]  # the module acts for the current Operations


_time = sa.DateTime(timezone=True)


def _account() -> sa.Column[str]:
    return sa.Column(
        "account_id",
        sa.Text,
        sa.ForeignKey("accounts.id", ondelete="CASCADE"),
        nullable=False,
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_index", sa.Text, nullable=False),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("phone_index", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("confirmed_at", _time),
        sa.CheckConstraint("state IN ('pending', 'active')", name="accounts_state"),
    )
    op.create_index(
        "accounts_active_email",
        "accounts",
        ["email_index"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("accounts_phone", "accounts", ["phone_index"])
    op.create_table(
        "registrations",
        sa.Column("id", sa.Text, primary_key=True),
        _account(),
        sa.Column("code_salt", sa.LargeBinary),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("expires_at", _time, nullable=False),
        sa.UniqueConstraint("account_id"),
    )
    op.create_index("ix_registrations_expires_at", "registrations", ["expires_at"])
    op.create_table(
        "email_changes",
        _account(),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_index", sa.Text, nullable=False),
        sa.Column("code_salt", sa.LargeBinary),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("confirmed_at", _time),
        sa.Column("expires_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_email_changes_expires_at", "email_changes", ["expires_at"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        _account(),
        sa.Column("started_at", _time, nullable=False),
        sa.Column("refreshed_at", _time, nullable=False),
        sa.Column("idle_until", _time, nullable=False),
        sa.Column("ends_at", _time, nullable=False),
        sa.Column("ended_at", _time),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_index("ix_sessions_ends_at", "sessions", ["ends_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column(
            "session_id",
            sa.Text,
            sa.ForeignKey("sessions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("used_at", _time),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])


def _addresses() -> None:
    op.create_table(
        "addresses",
        sa.Column("id", sa.Text, primary_key=True),
        _account(),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("line1", sa.Text, nullable=False),
        sa.Column("line2", sa.Text),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("region", sa.Text),
        sa.Column("postal_code", sa.Text),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("request_key", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.UniqueConstraint("account_id", "request_key", name="addresses_request"),
    )
