from logistics_adapter.models import Base
from privity_database.migrations import run

run(Base.metadata)
