"""What our e-mails say: plain text, and only the facts that a template has room for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Final, Literal

from email_validator import EmailNotValidError, validate_email

from privacy_gateway.domain.audit.access import FieldAccess

TemplateName = Literal["confirm_registration", "already_registered", "confirm_email_change"]

# Fact → its category and what it may look like.
FACTS: Final[Mapping[str, tuple[str, re.Pattern[str]]]] = {
    "code": ("user.authorization.code", re.compile(r"[0-9]{6,10}")),
}


class WrongFacts(ValueError):
    """Other facts than the template has room for. Holds pairs of a name and a code."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("not the facts of this template")
        self.errors = errors


class UnusableAddress(Exception):
    """Not an address that mail can be sent to."""


@dataclass(frozen=True, slots=True)
class Template:
    subject: str
    text: str
    facts: tuple[str, ...] = ()

    @property
    def accesses(self) -> tuple[FieldAccess, ...]:
        """What the mail provider gets to see."""
        return (
            FieldAccess("email", "user.contact.email", "reveal"),
            *(FieldAccess(fact, FACTS[fact][0], "reveal") for fact in self.facts),
        )

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(access.category for access in self.accesses)


TEMPLATES: Final[Mapping[TemplateName, Template]] = {
    "confirm_registration": Template(
        subject="Confirm your e-mail address",
        facts=("code",),
        text="""\
Hello,

somebody, probably you, wants to open an account at {shop} with this e-mail
address. To confirm that the address is yours, enter this code:

    {code}

If it was not you, you need not do anything: without the code, no account is
opened.

{shop}
""",
    ),
    "already_registered": Template(
        subject="You already have an account",
        text="""\
Hello,

somebody, probably you, has tried to open an account at {shop} with this
e-mail address. You have one already: please sign in to it.

If it was not you, you need not do anything. Whoever tried was not told that
you have an account.

{shop}
""",
    ),
    "confirm_email_change": Template(
        subject="Confirm your new e-mail address",
        facts=("code",),
        text="""\
Hello,

somebody, probably you, wants to use this e-mail address for their account at
{shop}. To confirm that the address is yours, enter this code:

    {code}

If it was not you, you need not do anything: without the code, nothing is
changed.

{shop}
""",
    ),
}


def check(template: Template, facts: Mapping[str, str]) -> None:
    """Raises WrongFacts unless these are the facts of the template."""
    errors = [(name, "unknown_field") for name in facts if name not in template.facts]
    for name in template.facts:
        if name not in facts:
            errors.append((name, "required"))
        elif FACTS[name][1].fullmatch(facts[name]) is None:
            errors.append((name, "pattern"))
    if errors:
        raise WrongFacts(errors)


def write(
    template: Template,
    facts: Mapping[str, str],
    *,
    message_id: str,
    sender: str,
    shop: str,
    to: str,
    now: datetime,
) -> EmailMessage:
    """`to` as `mailbox` gives it; facts that were checked."""
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["From"] = Address(display_name=shop, addr_spec=sender)
    local, _, domain = to.rpartition("@")
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = template.subject
    message["Date"] = now
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(template.text.format(shop=shop, **facts))
    return message


def mailbox(address: str) -> str:
    """The form that mail servers take: one address, and nothing that a header could grow from.

    Raises UnusableAddress.
    """
    try:
        found = validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        raise UnusableAddress from None
    return found.ascii_email or found.normalized
