from privacy_gateway.models import AuditBase
from privity_database.migrations import run

run(AuditBase.metadata)
