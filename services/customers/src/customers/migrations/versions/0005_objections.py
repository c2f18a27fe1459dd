"""Which access a case is about, for those that a customer does not recognise."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("cases", sa.Column("record_id", sa.Text))
