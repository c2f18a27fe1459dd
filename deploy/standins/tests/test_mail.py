"""The mail server keeps what it is given, and refuses when it is told to."""

import smtplib
import socket
from collections.abc import Callable
from email.message import EmailMessage

import httpx
import pytest


@pytest.fixture(scope="module")
def server(start: Callable[..., httpx.Client]) -> httpx.Client:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return start("standins.mail", port, "--smtp-port", "0", "--http-port", str(port))


@pytest.fixture
def mail(server: httpx.Client) -> httpx.Client:
    server.delete("/messages").raise_for_status()
    server.put("/behaviour", json={}).raise_for_status()
    return server


def write(mail: httpx.Client, to: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.org", to, "Grüße"
    message.set_content("Ihr Code: 12345678\n")
    port = mail.get("/healthz").json()["smtp_port"]
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.send_message(message)


def test_messages_are_shown_by_address(mail: httpx.Client) -> None:
    write(mail, "zoe@example.org")
    write(mail, "max@example.org")

    [message] = mail.get("/messages", params={"to": "zoe@example.org"}).json()["messages"]

    assert message["subject"] == "Grüße"
    assert message["text"].strip() == "Ihr Code: 12345678"
    assert len(mail.get("/messages").json()["messages"]) == 2


def test_it_refuses_as_often_as_it_is_told(mail: httpx.Client) -> None:
    for mode, code in (("try_later", 451), ("refuse", 550)):
        mail.put("/behaviour", json={"mode": mode, "times": 1}).raise_for_status()

        with pytest.raises(smtplib.SMTPDataError) as refusal:
            write(mail, "zoe@example.org")

        assert refusal.value.smtp_code == code
    write(mail, "zoe@example.org")
    assert len(mail.get("/messages").json()["messages"]) == 1


def test_its_refusals_quote_what_they_were_given_when_it_is_told(mail: httpx.Client) -> None:
    mail.put("/behaviour", json={"mode": "refuse_echoing", "times": 1}).raise_for_status()
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        write(mail, "zoe@example.org")
    mail.put("/behaviour", json={"mode": "try_later_echoing", "times": 1}).raise_for_status()
    with pytest.raises(smtplib.SMTPDataError) as later:
        write(mail, "zoe@example.org")

    assert b"zoe@example.org" in refused.value.recipients["zoe@example.org"][1]
    assert b"zoe@example.org" in later.value.smtp_error
