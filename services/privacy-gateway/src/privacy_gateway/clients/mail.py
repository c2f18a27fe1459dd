"""Mail by SMTP, to one mailbox at a time. What is sent and to whom is in no log and no error."""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final, Self

import aiosmtplib

TOTAL_SECONDS = 10.0
# "No such mailbox" and its kin (RFC 5321). Other permanent errors are as likely to be a mistake in
# our set-up, and worth another try once it is mended.
_MAILBOX_REFUSED: Final = frozenset({550, 551, 553})
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_ADDRESS = r"[A-Za-z0-9._+-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_SENDER = re.compile(
    rf"(?P<alone>{_ADDRESS})|(?P<name>[^<>\"@,]{{1,80}}) <(?P<address>{_ADDRESS})>"
)


class MailUnavailable(Exception):
    """Not sent, or not known to be; to be tried again. Its text is a code."""


class MailboxRefused(Exception):
    """The server says that there is no such mailbox."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """With `require_tls` nothing is sent unless the server offers STARTTLS with a good
    certificate; without it, to a server on this machine, TLS is used where offered. With
    `implicit_tls` the connection begins with TLS (RFC 8314). A password goes under TLS alone."""

    host: str
    port: int
    require_tls: bool
    implicit_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    certificates: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if _HOST.fullmatch(self.host) is None or not 1 <= self.port <= 65535:
            raise ValueError("not the name and port of a mail server")
        if self.username is not None and not (self.require_tls or self.implicit_tls):
            raise ValueError("a mail server with a password needs TLS")
        if (self.username is None) != (self.password is None):
            raise ValueError("a mail server takes a name and a password, or neither")

    @property
    def endpoint(self) -> str:
        """As its operator is registered among the recipients."""
        return f"smtp://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Sender:
    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `The Shop <post@shop.example>`, or the address alone. Raises ValueError."""
        match = _SENDER.fullmatch(text)
        if match is None or not text.isprintable():
            raise ValueError("not the name and address that mail is sent from")
        address = match["alone"] or match["address"]
        return cls(match["name"] or address.rpartition("@")[2], address)


class Mail:
    def __init__(
        self, server: MailServer, *, sender: Sender, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self.server = server
        self.sender = sender
        self._total_seconds = total_seconds

    async def send(self, message: EmailMessage, *, to: str) -> None:
        """Raises MailUnavailable or MailboxRefused."""
        server = self.server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.implicit_tls,
            start_tls=None if not server.require_tls or server.implicit_tls else True,
            tls_context=server.certificates,
            # Else the library asks the name server for ours, and waits.
            local_hostname=self.sender.address.rpartition("@")[2],
            timeout=self._total_seconds,
        )
        # What the errors say may quote the address.
        try:
            async with asyncio.timeout(self._total_seconds), client:
                await client.send_message(message, sender=self.sender.address, recipients=[to])
        except aiosmtplib.SMTPRecipientsRefused as exc:
            if all(refused.code in _MAILBOX_REFUSED for refused in exc.recipients):
                raise MailboxRefused from None
            raise MailUnavailable("recipient_not_taken") from None
        except TimeoutError:
            raise MailUnavailable("timeout") from None
        except (aiosmtplib.SMTPException, OSError) as exc:
            raise MailUnavailable(_reason(exc)) from None


def _reason(exc: BaseException) -> str:
    if isinstance(exc, aiosmtplib.SMTPResponseException):
        return f"answer_{exc.code}"
    return "no_answer"
