"""Two keys of the blind index count while one takes over from the other: a column for each."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"

COLUMNS = (
    ("accounts", "email_index"),
    ("accounts", "phone_index"),
    ("email_changes", "email_index"),
)
ACTIVE = sa.text("state = 'active'")


def upgrade() -> None:
    op.drop_index("accounts_active_email", "accounts")
    op.drop_index("accounts_phone", "accounts")
    for table, name in COLUMNS:
        op.alter_column(table, name, new_column_name=f"{name}_even", nullable=True)
        op.add_column(table, sa.Column(f"{name}_odd", sa.Text))
        op.execute(
            f"UPDATE {table} SET {name}_even = 'b1:0:' || substr({name}_even, 4)"  # noqa: S608  # constants
        )
    for slot in ("even", "odd"):
        op.create_index(
            f"accounts_active_email_{slot}",
            "accounts",
            [f"email_index_{slot}"],
            unique=True,
            postgresql_where=ACTIVE,
        )
        op.create_index(f"accounts_phone_{slot}", "accounts", [f"phone_index_{slot}"])
