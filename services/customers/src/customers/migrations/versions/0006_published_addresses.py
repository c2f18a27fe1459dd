"""What the gateway may read without asking the service: addresses, whose personal parts are sealed.

What stands in a published view is a promise like a route's answer: it changes under a new name.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"

VIEW = """
CREATE VIEW published.addresses_v1 AS
SELECT id, account_id AS subject_id,
       recipient, phone, line1, line2, city, region, postal_code, country
FROM addresses
"""
# Whoever may insert into what the owner makes is the service; the reader is named after it.
READERS = """
SELECT pg_get_userbyid(granted.grantee) AS service, reader.rolname AS reader
FROM pg_default_acl, aclexplode(defaclacl) AS granted
LEFT JOIN pg_roles AS reader ON reader.rolname = pg_get_userbyid(granted.grantee) || '_reader'
WHERE defaclrole = current_user::regrole AND defaclobjtype = 'r'
  AND granted.privilege_type = 'INSERT' AND granted.grantee <> defaclrole
"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA published")
    op.execute(VIEW)
    for service, reader in op.get_bind().execute(sa.text(READERS)).all():
        op.execute(f"REVOKE ALL ON published.addresses_v1 FROM {service}")
        if reader is not None:
            op.execute(f"GRANT USAGE ON SCHEMA published TO {reader}")
            op.execute(f"GRANT SELECT ON published.addresses_v1 TO {reader}")
