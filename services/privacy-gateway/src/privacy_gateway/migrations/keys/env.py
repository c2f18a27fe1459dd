from privacy_gateway.models import KeyBase
from privity_database.migrations import run

run(KeyBase.metadata)
