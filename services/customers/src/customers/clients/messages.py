"""Letters to customers: the gateway opens the address, records the disclosure and sends."""

from collections.abc import Mapping
from typing import Literal

from privity_contracts import Sealed
from privity_jobs import RetryLater
from privity_rest import GatewayClient

Template = Literal["confirm_registration", "already_registered", "confirm_email_change"]


async def send(
    gateway: GatewayClient,
    *,
    message_id: str,
    template: Template,
    subject_id: str,
    email: Sealed,
    facts: Mapping[str, str],
) -> None:
    """Asked twice under one `message_id`, the gateway sends one letter.

    Raises GatewayUnavailable, or RetryLater when the gateway refuses: that is a mistake of ours
    or of the policy, and the letter goes out once it is corrected.
    """
    answer = await gateway.post(
        "/v1/messages",
        {
            "id": message_id,
            "template": template,
            "subject_id": subject_id,
            "email": email.token,
            "facts": dict(facts),
        },
    )
    if not answer.ok:
        raise RetryLater(f"status_{answer.status}")
