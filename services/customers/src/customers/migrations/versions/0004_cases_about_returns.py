"""A case can be about a return."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_constraint("case_kind", "cases", type_="check")
    op.create_check_constraint(
        "case_kind",
        "cases",
        "kind IN ('enquiry', 'complaint', 'feedback', 'return', 'rights_request')",
    )
