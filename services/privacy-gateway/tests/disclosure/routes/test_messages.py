"""A customer's e-mail address goes to the mail provider, on record, once, and nowhere else."""

import asyncio

import pytest

from privacy_gateway.domain.disclosure import letters
from privacy_gateway.domain.disclosure.letters import UnusableAddress

URL = "/v1/messages"
EMAIL = "aiko@customers.example"
CATEGORIES = ["user.contact.email", "user.authorization.code"]


async def test_a_message_is_sent_in_plain_words(gateway, mail_sink, provider) -> None:
    body = await gateway.message()

    answer = await gateway.send("customers", "POST", URL, body)

    assert (answer.status_code, answer.json()) == (202, {"outcome": "sent"})
    ((sender, to, mail),) = mail_sink.taken
    assert (sender, to) == ("post@shop.example", [EMAIL])
    assert mail["From"] == "The Shop <post@shop.example>"
    assert mail["To"] == EMAIL
    assert mail["Subject"] == "Confirm your e-mail address"
    assert mail["Message-ID"] == f"<{body['id']}@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert "    12345678\r\n" in mail.get_content().replace("\n", "\r\n").replace("\r\r", "\r")
    assert "The Shop" in mail.get_content()
    assert EMAIL not in answer.text


@pytest.mark.parametrize("template", sorted(letters.TEMPLATES))
async def test_every_template_takes_its_facts_and_leaves_no_gap(
    gateway, mail_sink, provider, template
) -> None:
    facts = dict.fromkeys(letters.TEMPLATES[template].facts, "87654321")

    answer = await gateway.send(
        "customers", "POST", URL, await gateway.message(template=template, facts=facts)
    )

    assert answer.status_code == 202
    text = mail_sink.taken[0][2].get_content()
    assert "{" not in text
    assert all(value in text for value in facts.values())


@pytest.mark.parametrize("template", sorted(letters.OWN))
async def test_no_service_sends_what_the_gateway_writes_itself(
    gateway, mail_sink, provider, template
) -> None:
    body = await gateway.message(template=template, facts={})

    answer = await gateway.send("customers", "POST", URL, body)

    assert (answer.status_code, mail_sink.taken) == (422, [])


async def test_the_disclosure_is_on_record_without_the_address(
    gateway, mail_sink, provider
) -> None:
    answer = await gateway.send("customers", "POST", URL, await gateway.message())

    (record,) = await gateway.records(answer)
    assert (record["kind"], record["decision"]) == ("disclosure", "allow")
    assert (record["recipient"], record["purpose"]) == (provider["id"], "account_opening")
    assert record["fields"] == {
        "reveal": {"user.contact.email": ["email"], "user.authorization.code": ["code"]}
    }
    assert EMAIL not in str(record)
    assert "12345678" not in str(record)


async def test_asked_twice_it_is_sent_once(gateway, mail_sink, provider) -> None:
    body = await gateway.message()

    answers = [await gateway.send("customers", "POST", URL, body) for _ in range(3)]

    assert [each.status_code for each in answers] == [202] * 3
    assert len(mail_sink.taken) == 1


async def test_asked_twenty_times_at_once_it_is_sent_once(gateway, mail_sink, provider) -> None:
    body = await gateway.message()

    answers = await asyncio.gather(
        *(gateway.send("customers", "POST", URL, body) for _ in range(20))
    )

    assert {each.status_code for each in answers} <= {202, 503}
    assert len(mail_sink.taken) == 1
    assert (await gateway.send("customers", "POST", URL, body)).status_code == 202


async def test_an_id_is_not_used_for_two_messages(gateway, mail_sink, provider) -> None:
    body = await gateway.message()
    await gateway.send("customers", "POST", URL, body)

    answer = await gateway.send(
        "customers", "POST", URL, body | {"template": "already_registered", "facts": {}}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "another_message")


@pytest.mark.parametrize("who", ["orders", "logistics-adapter", "owner", "support"])
async def test_only_the_customers_service_may_write_to_customers(
    gateway, mail_sink, provider, who
) -> None:
    answer = await gateway.send(who, "POST", URL, await gateway.message())

    assert (answer.status_code, answer.json()["code"]) == (403, "not_entrusted")
    assert [each["decision"] for each in await gateway.records(answer)] == ["refuse"]
    assert mail_sink.taken == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"template": "advert"}, [("/template", "literal_error")]),
        ({"facts": {}}, [("/facts/code", "required")]),
        ({"facts": {"code": "12345678", "offer": "x"}}, [("/facts/offer", "unknown_field")]),
        ({"facts": {"code": "buy-now"}}, [("/facts/code", "pattern")]),
        (
            {"template": "already_registered", "facts": {"code": "12345678"}},
            [("/facts/code", "unknown_field")],
        ),
        ({"facts": {"code": "1\r\nBcc: x"}}, [("/facts/code", "string_pattern_mismatch")]),
        ({"id": "msg_1"}, [("/id", "string_pattern_mismatch")]),
        ({"email": EMAIL}, [("/email", "value_error")]),
        ({"cc": "x"}, [("/cc", "unknown_field")]),
    ],
)
async def test_what_is_not_a_message_is_refused_by_name(
    gateway, mail_sink, provider, changes, expected
) -> None:
    answer = await gateway.send("customers", "POST", URL, await gateway.message() | changes)

    assert answer.status_code == 422
    assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == expected
    assert mail_sink.taken == []


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: evil@x.example",
        "a@b.example\nSubject: hi",
        "a@b.example, evil@x.example",
        "a@b.example> RCPT TO:<evil@x.example",
        "<a@b.example>",
        "Anna <a@b.example>",
        "a@b.example\x00",
        "a@[127.0.0.1]",
        '"a b"@b.example',
        "a b@b.example",
        "a@b@c.example",
        "@b.example",
        "a@",
        "",
    ],
)
async def test_an_address_from_which_a_header_could_grow_is_not_written_to(
    gateway, mail_sink, provider, address
) -> None:
    with pytest.raises(UnusableAddress):
        letters.mailbox(address)

    answer = await gateway.send("customers", "POST", URL, await gateway.message(address))

    assert answer.json() == {"outcome": "refused"}
    assert mail_sink.taken == []


@pytest.mark.parametrize(
    ("address", "to"),
    [
        ("Aiko+shop@Customers.example", "Aiko+shop@customers.example"),
        ("o'hara@customers.example", "o'hara@customers.example"),
        ("anna@münchen.example", "anna@xn--mnchen-3ya.example"),
        ("änna@customers.example", "änna@customers.example"),
    ],
)
async def test_addresses_of_all_kinds_are_written_to(
    gateway, mail_sink, provider, address, to
) -> None:
    answer = await gateway.send("customers", "POST", URL, await gateway.message(address))

    assert answer.json() == {"outcome": "sent"}
    assert mail_sink.taken[0][1] == [to]
