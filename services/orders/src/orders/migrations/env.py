from orders.models import Base
from privity_database.migrations import run

run(Base.metadata)
