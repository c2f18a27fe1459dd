"""Whose work a case may become: somebody who works here, in a role that follows up such a case.

The service that holds cases knows staff by their ids alone; here is who they are.
"""

from privacy_gateway.domain.staff import directory
from privacy_gateway.domain.work import Work
from privity_database import Database

NOT_WORKING_HERE = "not_working_here"
ROLE_DOES_NOT_FIT = "role_does_not_fit"


class Assignees:
    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    async def objection(self, staff_id: str, case_id: str, *, request_id: str) -> str | None:
        """Why this case cannot become theirs, as a code; nothing when it can.

        Raises Unavailable when it cannot be told.
        """
        async with self._database.transaction() as tx:
            member = await directory.find(tx, staff_id)
        if member is None or not member.active:
            return NOT_WORKING_HERE
        kind = await self._work.kind_of_case(case_id, request_id=request_id)
        if kind is None:
            return None  # the service that holds none says so
        return None if self._work.is_for(member.roles, kind) else ROLE_DOES_NOT_FIT
