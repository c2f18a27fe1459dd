"""That a key was destroyed is said once, whoever is the first to say it."""

from alembic import op

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    op.execute(
        "CREATE UNIQUE INDEX key_steps_destroyed ON key_steps (key_id) WHERE step = 'destroyed'"
    )
