"""The same request twice is one thing, under the id that the gateway gives it each time."""

from dataclasses import dataclass

from privity_contracts.ids import is_id
from privity_rest import Caller, Malformed, Unprocessable


class IdempotencyKeyReused(Unprocessable):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key came with another request"


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody wants to add: the id it gets, and the gateway's fingerprint of it before it
    was sealed."""

    id: str
    fingerprint: str


def submission(caller: Caller, prefix: str) -> Submission:
    """Raises Malformed."""
    if caller.new_id is None or not is_id(caller.new_id, prefix) or caller.fingerprint is None:
        raise Malformed("the gateway gave no id or no fingerprint")
    return Submission(caller.new_id, caller.fingerprint)
