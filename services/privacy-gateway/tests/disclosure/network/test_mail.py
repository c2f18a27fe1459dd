"""Mail goes out under TLS where that is asked for, or not at all."""

import asyncio
import ssl
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP

from privacy_gateway.clients.mail import Mail, MailServer, MailUnavailable, Sender

SENDER = Sender.parse("The Shop <post@shop.example>")


@pytest.fixture
async def tls_sink(mail_sink, certificates):
    """The same server, with STARTTLS."""
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mail_sink, tls_context=certificates.partners, require_starttls=True),
        "127.0.0.1",
        0,
    )
    mail_sink.port = server.sockets[0].getsockname()[1]
    yield mail_sink
    server.close()


def mail(sink, *, require_tls: bool, certificates: ssl.SSLContext | None = None) -> Mail:
    server = MailServer(
        host="127.0.0.1", port=sink.port, require_tls=require_tls, certificates=certificates
    )
    return Mail(server, sender=SENDER, total_seconds=3)


def message() -> EmailMessage:
    written = EmailMessage()
    written["Subject"] = "Hello"
    written.set_content("Hello.")
    return written


@pytest.fixture
def for_any_name(certificates):
    """Trusts the certificate whatever the server's name, which here is a number."""
    context = certificates.trusted
    context.check_hostname = False
    yield context
    context.check_hostname = True


async def test_where_tls_is_required_it_is_used(tls_sink, for_any_name) -> None:
    await mail(tls_sink, require_tls=True, certificates=for_any_name).send(
        message(), to="a@b.example"
    )

    assert len(tls_sink.taken) == 1


async def test_where_tls_is_required_and_not_offered_nothing_is_sent(mail_sink) -> None:
    with pytest.raises(MailUnavailable):
        await mail(mail_sink, require_tls=True).send(message(), to="a@b.example")

    assert mail_sink.taken == []


@pytest.mark.parametrize("require_tls", [True, False])
async def test_to_a_server_with_a_bad_certificate_nothing_is_sent(tls_sink, require_tls) -> None:
    with pytest.raises(MailUnavailable):
        await mail(tls_sink, require_tls=require_tls).send(message(), to="a@b.example")

    assert tls_sink.taken == []


async def test_where_tls_is_offered_it_is_used_unasked(tls_sink, for_any_name) -> None:
    await mail(tls_sink, require_tls=False, certificates=for_any_name).send(
        message(), to="a@b.example"
    )

    assert len(tls_sink.taken) == 1


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    nowhere = MailServer(host="127.0.0.1", port=1, require_tls=False)

    with pytest.raises(MailUnavailable, match="no_answer"):
        await Mail(nowhere, sender=SENDER).send(message(), to="a@b.example")


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "", "port": 25},
        {"host": "mail.example\r\n", "port": 25},
        {"host": "user@mail.example", "port": 25},
        {"host": "mail.example", "port": 0},
        {"host": "mail.example", "port": 70000},
        {"host": "mail.example", "port": 25, "username": "shop"},
    ],
)
def test_a_server_that_cannot_be_stops_the_start(settings) -> None:
    with pytest.raises(ValueError, match="mail server"):
        MailServer(**({"require_tls": False} | settings))


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("The Shop <post@shop.example>", "The Shop", "post@shop.example"),
        ("post@shop.example", "shop.example", "post@shop.example"),
    ],
)
def test_a_sender_is_a_name_and_an_address(text: str, name: str, address: str) -> None:
    assert Sender.parse(text) == Sender(name, address)


@pytest.mark.parametrize(
    "text",
    ["", "shop", "a@b@c", "A <a@b.example>\r\nBcc: x", "A, B <a@b.example>", "<a@b.example>"],
)
def test_a_sender_that_cannot_be_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="mail is sent from"):
        Sender.parse(text)
