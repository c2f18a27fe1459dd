"""Where a customer is written to: the address of their account, sealed as the service holds it."""

import orjson

from privacy_gateway.clients.services import Services
from privity_contracts import Sealed, ids
from privity_rest import Unavailable

_PROFILE = "/v1/profile"


class MailboxUnknown(Unavailable):
    code = "mailbox_unknown"
    title = "Where somebody is written to cannot be told right now"


class Mailboxes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def of(self, subject_id: str) -> Sealed | None:
        """Nothing when there is no such account any more. Raises Unavailable."""
        headers = {
            "Request-Id": ids.mint("req"),
            # In whose name it is read is whose it is.
            "Privity-Caller": "customer",
            "Privity-Actor": subject_id,
            "Privity-Subject": subject_id,
            "Privity-Role": "customer",
            "Privity-Purpose": "self_service",
        }
        answer = await self._services.send("customers", "GET", _PROFILE, headers=headers)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise MailboxUnknown(f"customers answered {answer.status}")
        found = orjson.loads(answer.body)
        try:
            return Sealed(found["email"])
        except (KeyError, TypeError, ValueError):
            raise MailboxUnknown("customers answered something else") from None
