"""Key services as processes of their own, over HTTP: a server that speaks AWS KMS (moto), and
stand-ins for OpenBao's transit engine and Google Cloud KMS."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from privacy_gateway.clients.key_services.exchange import Exchange
from privacy_gateway.clients.key_services.google import crc32c
from privacy_gateway.domain.vault.data_keys import DataKeys, KeysUnavailable
from privacy_gateway.domain.vault.kek import Belonging, KeyEncryptionUnavailable, NotUnwrapped
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.key_places import key_encryption
from privacy_gateway.settings import KeyPlace
from privity_contracts import ids

PEERS = Path(__file__).parent / "peers"
MATERIAL = os.urandom(32)
REGION = "eu-central-1"
GOOGLE_KEY = "projects/shop/locations/europe-west3/keyRings/privity/cryptoKeys/gateway"


@contextlib.contextmanager
def running(*command):
    """A process that listens on the port that stands last in its command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def aws():
    with (
        running("-m", "moto.server", "-H", "127.0.0.1", "-p") as url,
        pytest.MonkeyPatch.context() as env,
    ):
        env.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        env.setenv("AWS_SECRET_ACCESS_KEY", "an-example")
        made = httpx.post(
            url,
            content="{}",
            headers={
                "X-Amz-Target": "TrentService.CreateKey",
                "Content-Type": "application/x-amz-json-1.1",
                "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/"
                f"{REGION}/kms/aws4_request, SignedHeaders=host, Signature=00",
            },
        )
        key = made.json()["KeyMetadata"]["KeyId"]
        yield KeyPlace(kind="aws", key=key, region=REGION, url=url)


@pytest.fixture(scope="module")
def transit(tmp_path_factory):
    token_file = tmp_path_factory.mktemp("bao") / "token"
    token_file.write_text("s.a-token\n")
    with running(str(PEERS / "transit.py"), "s.a-token") as url:
        made = httpx.post(f"{url}/v1/transit/keys/gateway", headers={"X-Vault-Token": "s.a-token"})
        assert made.status_code == 204
        yield KeyPlace(kind="transit", key="gateway", url=url, token_file=token_file)


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = tmp_path_factory.mktemp("google") / "account.json"
    with running(str(PEERS / "google_kms.py")) as url, pytest.MonkeyPatch.context() as env:
        account.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "client_email": "gateway@shop.example",
                    "private_key": pem,
                    "private_key_id": "1",
                    "project_id": "shop",
                    "token_uri": f"{url}/token",
                }
            )
        )
        env.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        yield KeyPlace(kind="google", key=GOOGLE_KEY, url=url)


@pytest.fixture(params=["aws", "transit", "google"])
def place(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def opened(tmp_path):
    held = []

    def open_(*places):
        held.append(key_encryption(places, secrets_dir=tmp_path))
        return held[-1]

    yield open_
    for each in held:
        await each.close()


@pytest.fixture
def belonging():
    person = ids.mint("cus")
    return Belonging(ids.mint("key"), person, f"account/{person}", "identity")


async def test_a_key_unwraps_where_it_belongs_and_nowhere_else(opened, place, belonging):
    keys = opened(place)

    wrapped = await keys.wrap(MATERIAL, belonging)

    assert await keys.unwrap(wrapped, belonging) == MATERIAL
    assert MATERIAL not in wrapped.text
    assert keys.holds(wrapped.kek_id)
    stranger = ids.mint("cus")
    for moved in (
        {"key_id": ids.mint("key")},
        {"subject": stranger},
        {"scope": f"account/{stranger}"},
        {"retention_class": "books"},
    ):
        with pytest.raises(NotUnwrapped):
            await keys.unwrap(wrapped, replace(belonging, **moved))


async def test_an_altered_or_shortened_key_does_not_unwrap(opened, place, belonging):
    keys = opened(place)
    wrapped = await keys.wrap(MATERIAL, belonging)

    # Before the last group of base64, where one value has several spellings.
    for position in range(0, len(wrapped.text) - 4, 7):
        changed = bytearray(wrapped.text)
        changed[position] ^= 1
        for text in (bytes(changed), wrapped.text[:position]):
            with pytest.raises((NotUnwrapped, KeyEncryptionUnavailable)):
                await keys.unwrap(wrapped._replace(text=text), belonging)
    with pytest.raises(NotUnwrapped):
        await keys.unwrap(wrapped._replace(text=wrapped.text[:-3] + wrapped.text[-2:]), belonging)


async def test_what_was_wrapped_before_a_rotation_unwraps_after_it(opened, place, belonging):
    keys = opened(place)
    before = await keys.wrap(MATERIAL, belonging)
    assert before.kek_id == await keys.current()
    if place.kind == "aws":
        pytest.skip("AWS names no versions: it rotates by itself, and moto does not on demand")

    now = await keys.rotate()
    after = await keys.wrap(MATERIAL, belonging)

    assert before.kek_id != now == after.kek_id == await keys.current()
    for wrapped in (before, after):
        assert await keys.unwrap(wrapped, belonging) == MATERIAL


async def test_moving_from_a_file_to_a_key_service_opens_both(opened, place, belonging):
    in_file = await opened(KeyPlace()).wrap(MATERIAL, belonging)

    moved = opened(place, KeyPlace())

    wrapped = await moved.wrap(MATERIAL, belonging)
    assert (moved.holds(in_file.kek_id), moved.holds(wrapped.kek_id)) == (True, True)
    assert wrapped.kek_id.startswith(f"{place.kind}:")
    for each in (in_file, wrapped):
        assert await moved.unwrap(each, belonging) == MATERIAL
    with pytest.raises(KeyEncryptionUnavailable):
        await opened(place).unwrap(in_file, belonging)


async def test_data_keys_under_a_key_service(opened, place, keys_database, customer):
    keks = opened(place)
    places = [Place(customer, f"order/{n}", "delivery") for n in range(10)]
    one, other = (DataKeys(keys_database.runtime, keks, deadline_seconds=5) for _ in range(2))
    await one.start()
    await other.start()

    made = await one.for_sealing(places)
    await other.load([key.key_id for key in made])

    assert [other.loaded(key.key_id).place for key in made] == places
    text = made[0].cipher.encrypt(bytes(12), b"Anna", None)
    assert other.loaded(made[0].key_id).cipher.decrypt(bytes(12), text, None) == b"Anna"
    await one.close()
    await other.close()


async def test_a_key_service_that_is_away_is_no_deletion(opened, place, keys_database, customer):
    where = Place(customer, f"account/{customer}", "identity")
    here = DataKeys(keys_database.runtime, opened(place), deadline_seconds=5)
    away = DataKeys(
        keys_database.runtime,
        opened(place.model_copy(update={"url": "http://127.0.0.1:9"})),
        deadline_seconds=5,
    )
    await here.start()
    await away.start()
    [made] = await here.for_sealing([where])

    await away.load([made.key_id])

    for ask in (away.for_sealing([where]), away.at([where], minting=False)):
        with pytest.raises(KeysUnavailable):
            await ask
    with pytest.raises(KeysUnavailable):
        away.loaded(made.key_id)
    with pytest.raises(KeysUnavailable):
        await away.for_sealing([where._replace(scope="order/new")])
    await here.close()
    await away.close()


async def test_a_key_service_is_told_nobodys_name(opened, transit, belonging, monkeypatch):
    sent = []
    request = aiohttp.ClientSession.request

    def note(self, method, url, **more):
        sent.append(f"{url} {more['data']!r}")
        return request(self, method, url, **more)

    monkeypatch.setattr(aiohttp.ClientSession, "request", note)

    await opened(transit).wrap(MATERIAL, belonging)

    assert sent
    for said in sent:
        assert belonging.subject not in said
        assert belonging.key_id not in said


async def test_a_token_that_was_renewed_is_read_again(opened, transit, belonging, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("s.an-old-one")
    keys = opened(transit.model_copy(update={"token_file": token_file}))
    with pytest.raises(KeyEncryptionUnavailable):
        await keys.wrap(MATERIAL, belonging)

    token_file.write_text("s.a-token")

    assert await keys.unwrap(await keys.wrap(MATERIAL, belonging), belonging) == MATERIAL


@pytest.mark.parametrize(
    "url",
    ["http://kms.example.org", "ftp://127.0.0.1", "kms.example.org", "https://", "https://k/?a=b"],
)
def test_keys_are_not_sent_in_the_clear(url):
    with pytest.raises(ValueError, match="https"):
        Exchange(url)


@pytest.mark.parametrize(
    "half",
    [
        {"kind": "aws", "key": "k"},
        {"kind": "google"},
        {"kind": "transit", "key": "k", "url": "https://bao.example"},
        {"kind": "vault"},
        {"kind": "file", "path": "/x"},
    ],
)
def test_a_place_that_is_half_described_stops_the_start(half):
    with pytest.raises(ValidationError):
        KeyPlace.model_validate(half)


def test_google_is_sent_the_sum_that_it_asks_for():
    """RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_key_services_are_imported_only_when_one_is_named():
    said = (
        "import sys, privacy_gateway.domain.vault.key_places;"
        "print(sorted({'botocore', 'google.auth', 'moto', 'requests'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
