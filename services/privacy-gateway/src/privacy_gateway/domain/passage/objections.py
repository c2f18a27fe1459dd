"""An access that a customer does not recognise: a complaint with the customers service.

One record gives one case, however often it is objected to.
"""

from dataclasses import dataclass

import orjson

from privacy_gateway.clients.services import Services
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.tokens import caller
from privacy_gateway.domain.vault.vault import Vault
from privity_rest import Conflict, Unavailable

TEXT = "user.content.private"
COLLECTED = (FieldAccess("message", TEXT, "seal"),)
UNSAID = "I do not recognise this access."


class TooManyOpenCases(Conflict):
    code, title = "too_many_open_cases", "Write in one of the cases that are open already"


class ObjectionNotTaken(Unavailable):
    code = "objection_not_taken"


@dataclass(frozen=True, slots=True)
class Objection:
    subject: str
    record_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    due_at: str


def case_of(objection: Objection, vault: Vault) -> str:
    return vault.deterministic_id("cas", objection.subject, "objection", objection.record_id)


async def file(
    objection: Objection,
    collecting: Access,
    *,
    policy: Policy,
    vault: Vault,
    audit: AuditLog,
    services: Services,
) -> Case:
    """`collecting` is the record of what the customer says here, written before it is sealed.

    Raises TooManyOpenCases, and ObjectionNotTaken when the service does not take it now.
    """
    case_id = case_of(objection, vault)
    await audit.record([collecting])
    [message] = await vault.seal(
        objection.subject,
        f"case/{case_id}",
        [(TEXT, objection.message)],
        classes=policy.classes,
    )
    answer = await services.send(
        "customers",
        "POST",
        "/v1/objections",
        headers=caller.service("privacy-gateway").headers(collecting.request_id or ""),
        body=orjson.dumps(
            {
                "id": case_id,
                "record_id": objection.record_id,
                "subject_id": objection.subject,
                "message": message,
                "fingerprint": vault.fingerprint(objection.record_id.encode()),
            }
        ),
    )
    if answer.status == 409:
        raise TooManyOpenCases
    if answer.status != 201:
        raise ObjectionNotTaken(f"customers answered {answer.status}")
    opened = orjson.loads(answer.body)
    return Case(opened["id"], opened["due_at"])
