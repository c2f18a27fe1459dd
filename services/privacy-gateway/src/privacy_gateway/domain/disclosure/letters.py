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
from privacy_gateway.domain.policy.file import NOT_PERSONAL
from privity_contracts.ids import BODY

TemplateName = Literal["confirm_registration", "already_registered", "confirm_email_change"]
"""What services may send."""
OwnTemplateName = Literal["deletion_asked", "deletion_code", "deletion_undone", "deletion_begun"]
"""What the gateway itself writes; no service can."""

# Fact → its category and what it may look like.
FACTS: Final[Mapping[str, tuple[str, re.Pattern[str]]]] = {
    "code": ("user.authorization.code", re.compile(r"[0-9]{6,10}")),
    "until": (NOT_PERSONAL, re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC")),
    "number": (NOT_PERSONAL, re.compile(rf"del_{BODY}")),
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
            *(
                FieldAccess(fact, FACTS[fact][0], "reveal")
                for fact in self.facts
                if FACTS[fact][0] != NOT_PERSONAL
            ),
        )

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(access.category for access in self.accesses)


TEMPLATES: Final[Mapping[str, Template]] = {
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


OWN: Final[Mapping[str, Template]] = {
    "deletion_asked": Template(
        subject="Your data will be deleted",
        facts=("until",),
        text="""\
Hello,

we have been asked to delete your account at {shop} and your data with it.
We do so on

    {until}

Until then it can be undone: sign in, and take the request back where you see
what we hold of you. What a law obliges us to keep stays for as long as it
says; everything else goes, and nobody can bring it back.

If it was not you, please sign in, take the request back and choose another
password.

{shop}
""",
    ),
    "deletion_code": Template(
        subject="Confirm that your data is deleted at once",
        facts=("code",),
        text="""\
Hello,

somebody, probably you, wants your account at {shop} and your data with it to
be deleted at once, without the time in which it can be undone. To confirm
that, enter this code within a quarter of an hour:

    {code}

If it was not you, give this code to nobody. Please sign in, take the request
back and choose another password.

{shop}
""",
    ),
    "deletion_undone": Template(
        subject="Your data stays",
        text="""\
Hello,

you were told that your account at {shop} and your data with it would be
deleted. That was taken back: nothing is deleted, and your account stays as it
was. You can ask for it again at any time.

If it was not you, somebody else may be signed in to your account: please
choose another password, and ask again.

{shop}
""",
    ),
    "deletion_begun": Template(
        subject="Your data is being deleted",
        facts=("number",),
        text="""\
Hello,

your account at {shop} and your data with it are being deleted now. This is
our last letter: in a moment we know your address no more.

What went, what a law obliges us to keep and until when, and when our partners
have purged what they had, stands in a signed receipt. Its number is

    {number}

and it is given to whoever has the key that was shown when the deletion was
asked for.

{shop}
""",
    ),
}


_ALL: Final[Mapping[str, Template]] = {**TEMPLATES, **OWN}


def of(name: TemplateName | OwnTemplateName) -> Template:
    return _ALL[name]


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
