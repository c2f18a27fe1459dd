"""Messages to customers, at the request of the service that knows them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints

from privacy_gateway.api.strict_body import body_of
from privacy_gateway.clients.mail import Mail
from privacy_gateway.domain.disclosure import letters, messages
from privacy_gateway.domain.disclosure.letters import TemplateName, WrongFacts
from privacy_gateway.domain.disclosure.messages import MessageRequest
from privacy_gateway.domain.disclosure.record import Matter, Means, require_trust
from privity_contracts import OPERATIONAL, Category, Contract, Sealed
from privity_contracts.ids import BODY, SubjectId
from privity_rest import Unprocessable
from privity_rest.problems import pointer

MessageId = Annotated[str, StringConstraints(pattern=rf"^msg_{BODY}$"), OPERATIONAL]
Fact = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

router = APIRouter(prefix="/v1/messages")


class NewMessage(Contract):
    id: MessageId
    template: Annotated[TemplateName, OPERATIONAL]
    subject_id: SubjectId
    email: Annotated[Sealed, Category("user.contact.email")]
    facts: Annotated[dict[str, Fact], Field(max_length=8), Category("user.authorization.code")]


@router.post("", status_code=202)
async def add(body: Annotated[NewMessage, body_of(NewMessage)], request: Request) -> dict[str, Any]:
    means: Means = request.app.state.means
    mail: Mail = request.app.state.mail
    async with means.database.transaction() as tx:
        recipient_id = await messages.mail_recipient(tx, mail)
    matter = Matter(
        caller=request.scope["privity.caller"],
        request_id=request.scope["privity.request_id"],
        recipient_id=recipient_id,
        subject_id=body.subject_id,
        scope=f"account/{body.subject_id}",
        resource=f"message/{body.id}",
    )
    await require_trust(means, matter, kind=messages.KIND)
    try:
        letters.check(letters.TEMPLATES[body.template], body.facts)
    except WrongFacts as exc:
        raise Unprocessable(
            errors=[(pointer(("facts", name)), code) for name, code in exc.errors]
        ) from None
    outcome = await messages.send(
        MessageRequest(
            id=body.id,
            template=body.template,
            subject_id=body.subject_id,
            email=body.email,
            facts=body.facts,
        ),
        matter,
        by=means,
        mail=mail,
        now=datetime.now(UTC),
    )
    return {"outcome": outcome}
