"""Months whose records lie in an archive: how many, and the hash of its manifest."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"

# Whoever may insert into what the owner makes is the gateway; it only reads this.
_GATEWAYS = """
SELECT pg_get_userbyid(granted.grantee) FROM pg_default_acl, aclexplode(defaclacl) AS granted
WHERE defaclrole = current_user::regrole AND defaclobjtype = 'r'
  AND granted.privilege_type = 'INSERT' AND granted.grantee <> defaclrole
"""


def upgrade() -> None:
    op.create_table(
        "archived_months",
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
    )
    for gateway in op.get_bind().scalars(sa.text(_GATEWAYS)).all():
        op.execute(f"REVOKE ALL ON archived_months FROM {gateway}")
        op.execute(f"GRANT SELECT ON archived_months TO {gateway}")
