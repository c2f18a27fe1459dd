"""Signatures are those of Standard Webhooks, and only good ones pass."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from privacy_gateway.domain.disclosure.signature import NotSigned, sign, verify
from privacy_gateway.domain.recipients.webhook_secrets import random_text

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BODY = b'{"a":1}'


def test_the_published_example_is_signed_as_published() -> None:
    # From the specification's own test vector.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)

    headers = sign(
        b'{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        signing_secrets=[secret],
        now=at,
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_partner_with_the_librarys_own_check_accepts_what_we_sign() -> None:
    old, new = random_text(), random_text()

    headers = sign(BODY, message_id="dlv_1", signing_secrets=[new, old], now=datetime.now(UTC))

    assert Webhook(old).verify(BODY, headers) == {"a": 1}
    assert Webhook(new).verify(BODY, headers) == {"a": 1}


def test_either_secret_of_an_overlap_is_accepted() -> None:
    old, new = random_text(), random_text()

    for used in (old, new):
        headers = sign(BODY, message_id="m_1", signing_secrets=[used], now=NOW)

        assert verify(BODY, headers, accepted_secrets=[new, old], now=NOW) == "m_1"


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    secret = random_text()
    headers = sign(
        BODY, message_id="m_1", signing_secrets=[secret], now=NOW + timedelta(seconds=seconds)
    )

    assert verify(BODY, headers, accepted_secrets=[secret], now=NOW)


@pytest.mark.parametrize("seconds", [-100_000, -301, 301, 100_000])
def test_an_old_or_a_future_signature_is_refused(seconds: int) -> None:
    secret = random_text()
    headers = sign(
        BODY, message_id="m_1", signing_secrets=[secret], now=NOW + timedelta(seconds=seconds)
    )

    with pytest.raises(NotSigned):
        verify(BODY, headers, accepted_secrets=[secret], now=NOW)


def _changed(**changes: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in changes.items()}


GARBAGE = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "changes",
    [
        _changed(webhook_id=""),
        _changed(webhook_id="m_2"),
        _changed(webhook_id="m_1.1"),
        _changed(webhook_id="m 1"),
        _changed(webhook_timestamp=""),
        _changed(webhook_timestamp="nan"),
        _changed(webhook_timestamp="inf"),
        _changed(webhook_timestamp="1e9"),
        _changed(webhook_timestamp="-1"),
        _changed(webhook_timestamp="１７９５３５２４００"),
        _changed(webhook_timestamp=str(int(NOW.timestamp()) + 1)),
        _changed(webhook_timestamp="9" * 400),
        _changed(webhook_signature=""),
        _changed(webhook_signature="v1"),
        _changed(webhook_signature="v1,"),
        _changed(webhook_signature=f"v1,{GARBAGE}"),
        _changed(webhook_signature="v1,not base64"),
        _changed(webhook_signature="v1a,AAAA"),
        _changed(webhook_signature="\xff,\xff"),
        _changed(webhook_signature=f"{'v1,x ' * 8}v1,too-late"),
    ],
)
def test_what_is_not_signed_as_it_must_be_is_refused_in_one_way(changes: dict[str, str]) -> None:
    secret = random_text()
    headers = sign(BODY, message_id="m_1", signing_secrets=[secret], now=NOW) | changes

    with pytest.raises(NotSigned):
        verify(BODY, headers, accepted_secrets=[secret], now=NOW)


def test_a_changed_body_another_secret_and_no_secret_are_refused() -> None:
    secret = random_text()
    headers = sign(BODY, message_id="m_1", signing_secrets=[secret], now=NOW)

    for body, accepted in (
        (b'{"a":2}', [secret]),
        (BODY + b" ", [secret]),
        (b"\xff\xfe", [secret]),
        (BODY, [random_text()]),
        (BODY, []),
    ):
        with pytest.raises(NotSigned):
            verify(body, headers, accepted_secrets=accepted, now=NOW)


def test_a_signature_under_another_version_alone_is_refused() -> None:
    secret = random_text()
    headers = sign(BODY, message_id="m_1", signing_secrets=[secret], now=NOW)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")

    with pytest.raises(NotSigned):
        verify(BODY, headers, accepted_secrets=[secret], now=NOW)
