from privacy_gateway.models import JournalBase
from privity_database.migrations import run

run(JournalBase.metadata)
