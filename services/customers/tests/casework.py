"""Staff and customers who have to do with cases, as the gateway introduces them."""

import secrets
from dataclasses import dataclass, field

import httpx

from privity_contracts.ids import mint

CONTENT = "user.content.private"


def staff(purpose: str, *, work: str = "shop", actor: str | None = None) -> dict[str, str]:
    return {
        "privity_caller": "staff",
        "privity_actor": actor or mint("stf"),
        "privity_role": "support_1",
        "privity_purpose": purpose,
        "privity_work": work,
    }


@dataclass
class CaseWorker:
    """A member of the staff."""

    door: object
    id: str = field(default_factory=lambda: mint("stf"))

    def on(self, case_id: str, purpose: str = "enquiries") -> dict[str, str]:
        """At work on a case."""
        return staff(purpose, work=f"case/{case_id}", actor=self.id)

    async def take(self, case_id: str) -> httpx.Response:
        who = staff("case_management", actor=self.id)
        return await self.door.ask("POST", f"/v1/cases/{case_id}/assignment", {}, **who)


def submitted(prefix: str, *, new_id: str | None = None, fingerprint: str = "f") -> dict[str, str]:
    """What the gateway adds to a request that comes with an Idempotency-Key."""
    return {
        "idempotency_key": secrets.token_hex(8),
        "privity_new_id": new_id or mint(prefix),
        "privity_fingerprint": fingerprint * 43,
    }


async def open_case(door, customer, *, text="Where is my tea?", kind="enquiry", **instead):
    """As the customer; `instead` are other headers, or members `order` and `new_id`."""
    body = {"kind": kind, "message": door.sealing.seal(CONTENT, text)}
    order = instead.pop("order", None)
    if order is not None:
        body["order"] = {"id": order, "subject_id": customer.account_id}
    keys = submitted("cas", new_id=instead.pop("new_id", None))
    return await door.ask("POST", "/v1/cases", body, customer=customer, **{**keys, **instead})


async def write(door, case_id, text, *, customer=None, **headers):
    body = {"content": door.sealing.seal(CONTENT, text)}
    keys = submitted("csm", new_id=headers.pop("new_id", None))
    path = f"/v1/cases/{case_id}/messages"
    return await door.ask("POST", path, body, customer=customer, **{**keys, **headers})


async def read(door, path, *, customer=None, **headers):
    answer = await door.ask("GET", path, customer=customer, **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def close(door, case_id, outcome, *, customer=None, **headers):
    path = f"/v1/cases/{case_id}/closure"
    return await door.ask("POST", path, {"outcome": outcome}, customer=customer, **headers)
