"""By what a start knows a password again that it has hashed before."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    op.add_column("staff", sa.Column("password_mark", sa.Text))
