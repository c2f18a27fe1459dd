"""HTTP in: one module per resource. Here is what their routes are given."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


Now = Annotated[datetime, Depends(_now)]
