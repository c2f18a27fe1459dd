"""Mail goes out under TLS where that is asked for, or not at all."""

import asyncio
import ssl
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

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


NAME, PASSWORD = "shop@mail.example", "Würzig-7"


class Doorman:
    """Lets in who has the password, and remembers who came without."""

    def __init__(self) -> None:
        self.turned_away: list[str] = []

    def __call__(
        self, server: Any, session: Any, envelope: Any, how: str, given: Any
    ) -> AuthResult:
        right = (given.login, given.password) == (NAME.encode(), PASSWORD.encode())
        if not right:
            self.turned_away.append(how)
        return AuthResult(success=right, handled=False, auth_data=NAME if right else None)


# The server does not know of TLS that begins before it does.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture
async def guarded(mail_sink, certificates, serve_smtp):
    """`guarded(implicit_tls=…)`: a server that takes mail from who says the password, under TLS."""
    doorman = Doorman()

    async def start(*, implicit_tls: bool) -> tuple[Any, Doorman]:
        context = certificates.partners
        under = {"auth_require_tls": False} if implicit_tls else {
            "tls_context": context, "require_starttls": True,
        }  # fmt: skip
        await serve_smtp(
            mail_sink,
            ssl=context if implicit_tls else None,
            auth_required=True,
            authenticator=doorman,
            **under,
        )
        return mail_sink, doorman

    return start


@pytest.fixture
async def serve_smtp():
    servers = []

    async def start(sink: Any, *, ssl: Any = None, **how: Any) -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(sink, **how), "127.0.0.1", 0, ssl=ssl
        )
        servers.append(server)
        sink.port = server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


def with_password(sink: Any, password: str | None, **how: Any) -> Mail:
    server = MailServer(
        host="127.0.0.1",
        port=sink.port,
        username=None if password is None else NAME,
        password=password,
        **how,
    )
    return Mail(server, sender=SENDER, total_seconds=3)


KINDS_OF_TLS = pytest.mark.parametrize("implicit_tls", [False, True])


@KINDS_OF_TLS
async def test_a_server_that_asks_who_we_are_is_told(guarded, for_any_name, implicit_tls) -> None:
    sink, doorman = await guarded(implicit_tls=implicit_tls)
    how = {"require_tls": not implicit_tls, "implicit_tls": implicit_tls}

    await with_password(sink, PASSWORD, certificates=for_any_name, **how).send(
        message(), to="a@b.example"
    )

    assert len(sink.taken) == 1
    assert doorman.turned_away == []


@KINDS_OF_TLS
@pytest.mark.parametrize("password", ["wrong", None])
async def test_with_a_wrong_password_or_none_nothing_is_sent_and_none_is_told(
    guarded, for_any_name, implicit_tls, password
) -> None:
    sink, _ = await guarded(implicit_tls=implicit_tls)
    how = {"require_tls": not implicit_tls, "implicit_tls": implicit_tls}
    mail = with_password(sink, password, certificates=for_any_name, **how)

    with pytest.raises(MailUnavailable) as refused:
        await mail.send(message(), to="a@b.example")

    assert str(refused.value) == ("answer_530" if password is None else "answer_535")
    assert sink.taken == []
    assert "wrong" not in repr(mail.server)
    assert refused.value.__cause__ is None


async def test_without_tls_no_password_leaves(mail_sink, serve_smtp) -> None:
    """A server that offers no STARTTLS and would take the password in the clear."""
    doorman = Doorman()
    await serve_smtp(mail_sink, auth_require_tls=False, authenticator=doorman)

    with pytest.raises(MailUnavailable):
        await with_password(mail_sink, "wrong", require_tls=True).send(message(), to="a@b.example")

    assert (doorman.turned_away, mail_sink.taken) == ([], [])


async def test_to_a_bad_certificate_no_password_leaves(guarded) -> None:
    sink, doorman = await guarded(implicit_tls=True)

    with pytest.raises(MailUnavailable):
        await with_password(sink, "wrong", require_tls=False, implicit_tls=True).send(
            message(), to="a@b.example"
        )

    assert (doorman.turned_away, sink.taken) == ([], [])


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "", "port": 25},
        {"host": "mail.example\r\n", "port": 25},
        {"host": "user@mail.example", "port": 25},
        {"host": "mail.example", "port": 0},
        {"host": "mail.example", "port": 70000},
        {"host": "mail.example", "port": 25, "username": "shop", "password": "x"},
        {"host": "mail.example", "port": 25, "require_tls": True, "username": "shop"},
        {"host": "mail.example", "port": 25, "require_tls": True, "password": "x"},
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
