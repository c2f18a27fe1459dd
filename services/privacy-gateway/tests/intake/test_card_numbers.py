"""A card number is found however it is written, and what is none is let through."""

from random import Random

import pytest

from privacy_gateway.domain.intake.card_numbers import (
    holds_card_number,
    query_holds_card_number,
    screen,
)
from privity_contracts import ids

# The networks' and processors' published test numbers.
NUMBERS = [
    "4242424242424242",
    "4111111111111111",
    "4000056655665556",
    "4222222222222",
    "4000000000000000006",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "2720990000000007",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "3056930009020004",
    "30569309025904",
    "36227206271667",
    "38520000023237",
    "3566002020360505",
    "6200000000000005",
    "6205500000000000004",
    "6759649826438453",
    "5018000000000009",
    "2200000000000004",
    "6521111111111110",
    "6070000000000002",
]

WRITTEN = [
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "4242.4242.4242.4242",
    "4242_4242_4242_4242",
    "4242/4242/4242/4242",
    "4242,4242,4242,4242",
    "4242  4242  4242  4242",
    "4242 - 4242 - 4242 - 4242",
    "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "42 42 42 42 42 42 42 42",
    "4242\n4242\n4242\n4242",
    "4242\u00a04242\u00a04242\u00a04242",
    "4242\u20094242\u20094242\u20094242",
    "4242\u30004242\u30004242\u30004242",
    "4242\u20134242\u20134242\u20134242",
    "4242\u20144242\u20144242\u20144242",
    "4242\u22124242\u22124242\u22124242",
    "4242·4242·4242·4242",
    "4242•4242•4242•4242",
    "4242\u200b4242\u200b4242\u200b4242",
    "4242\u200d4242\ufeff4242\u00ad4242",
    "4\u200b2\u200b4\u200b2\u200b4242\u200b42424242",
    "4242\u20604242\u034f4242\u180e4242",
    "４２４２４２４２４２４２４２４２",
    "４２４２　４２４２　４２４２　４２４２",
    "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
    "۴۲۴۲ ۴۲۴۲ ۴۲۴۲ ۴۲۴۲",
    "४२४२४२४२४२४२४२४२",
    "𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐",
    "④②④②④②④②④②④②④②④②",
    "4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣",
    "my card is 4242424242424242, thanks",
    "card:4242424242424242",
    "x4242424242424242x",
    "№4242424242424242",
    "4242424242424242 12/27 123",
    "4242 4242 4242 4242 12/27 123",
    "12/27 4242 4242 4242 4242",
    "order 77 4242424242424242",
    "42424242424242421227123",
    "3782 822463 10005",
    "+4242424242424242",
    "+378282246310005",
    "0049 4242 4242 4242 4242",
    "4242424242424242@shop.example",
    "https://shop.example/?card=4242424242424242",
    "カード番号4242424242424242です",
]

HARMLESS = [
    "",
    "4242",
    "424242424242424",
    "4242424242424241",  # the check digit is wrong
    "4242 4242 4242 4241",
    "1234567890123456",
    "0000000000000000",
    "9999999999999995",
    "+49 30 23125 123",
    "+4915123456789",
    "+4917612345678",
    "+49 1512 3456785",
    "+43 660 1234567890",
    "+86 138 0013 8000",
    "+1 202 555 0123",
    "tel. +442079460000",
    "1700000000000",  # milliseconds
    "1700000000000000",  # microseconds
    "1700000000000000000",  # nanoseconds
    "2026-11-22T10:11:12.123456Z",
    "2026-11-22 10:11:12",
    "20261122101112",
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "00340434161094042557",  # a parcel
    "978-3-16-148410-0",
    "10115 Berlin, 1 Weg, 12 34 56",
    "ein Tisch 120 x 80 x 75, zwei Stühle 45 x 45 x 90",
    "12.345.678,90 EUR",
    "3.14159265358979",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "s1:key_0123456789abcdefghjkmnpqrs:user.name:" + "A" * 60,
    "Straße 5, Haus 4, 3. Stock",
    "42424242\u01c04242",  # letters stand between
    "4242a4242b4242c4242",
]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_numbers_of_every_network_are_found(number):
    assert holds_card_number(number)
    assert holds_card_number(f"please charge {number} today")
    last = str((int(number[-1]) + 1) % 10)
    assert not holds_card_number(number[:-1] + last)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_is_found_however_it_is_written(text):
    assert holds_card_number(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_card_number_is_let_through(text):
    assert not holds_card_number(text)


def test_our_own_ids_and_uuids_are_never_taken_for_one():
    import uuid

    random = Random(4)  # the same numbers in every run
    for prefix in ("ord", "cus", "adr", "pay"):
        for _ in range(500):
            digits = "".join(random.choices("0123456789", k=26))
            assert not holds_card_number(f"{prefix}_{digits}")
            assert not holds_card_number(ids.mint(prefix))
    for _ in range(2000):
        number = random.getrandbits(128)
        decimal = int("".join(random.choices("0123456789", k=32)), 16)
        for text in (str(uuid.UUID(int=number)), str(uuid.UUID(int=decimal))):
            assert not holds_card_number(text)
            assert not holds_card_number(f"see {text}, please")


def test_digests_and_random_secrets_in_hex_are_not_taken_for_one():
    secret = "1d36882285852629fe3a8547d6bf9fc1ea23e7053a4019778586cd55e14fae56"
    assert holds_card_number(secret[:20])
    assert not holds_card_number(secret)
    assert not holds_card_number(f"the secret is {secret}.")
    random = Random(5)  # the same numbers in every run
    for digits in (40, 64, 128):
        for _ in range(5000):
            assert not holds_card_number(f"{random.getrandbits(4 * digits):0{digits}x}")


@pytest.mark.parametrize("filling", ["0", "a", "f0a", "9"])
@pytest.mark.parametrize("digits", [32, 40, 64, 128])
def test_a_number_padded_to_a_digests_length_is_found(filling, digits):
    assert holds_card_number(f"a4242424242424242f{filling * digits}"[:digits])


def test_a_number_beside_an_id_is_found_all_the_same():
    assert holds_card_number(f"{ids.mint('ord')} 4242424242424242")
    assert holds_card_number("00000000-0000-4000-8000-000000000000 4242424242424242")


def test_random_numbers_are_rarely_taken_for_one():
    """What the rule costs: of random 16-digit numbers about one in 25 is refused."""
    random = Random(7)  # the same numbers in every run
    found = sum(holds_card_number("".join(random.choices("0123456789", k=16))) for _ in range(5000))

    assert 0 < found < 5000 / 20


def test_every_place_in_a_body_is_screened():
    body = {
        "note": "4242 4242 4242 4242",
        "items": [{"text": "fine"}, {"text": "5555555555554444"}],
        "number": 4111111111111111,
        "ratio": 378282246310005.0,
        "4242424242424242": 1,
        "deep": {"deeper": {"deepest": ["4242-4242-4242-4242"]}},
        "flag": True,
        "nothing": None,
        "amount": 1999,
    }

    assert sorted(screen(body)) == [
        ("/deep/deeper/deepest/0", "card_number"),
        ("/items/1/text", "card_number"),
        ("/note", "card_number"),
        ("/number", "card_number"),
        ("/ratio", "card_number"),
        ("/…", "card_number"),
    ]


def test_a_phone_number_is_exempt_in_its_own_field_only():
    number = "4917612345679"  # would be a card number of 13 digits
    assert holds_card_number(number)
    body = {"phone": number, "note": number}

    assert screen(body, exempt=frozenset({"/phone"})) == [("/note", "card_number")]


@pytest.mark.parametrize(
    "query",
    [
        b"q=4242424242424242",
        b"q=4242+4242+4242+4242",
        b"q=4242%204242%204242%204242",
        b"q=%34242-4242-4242-4242",
        b"4242424242424242=q",
        b"a=1&b=4242424242424242&c=2",
        b"q=%EF%BC%94%EF%BC%92%EF%BC%94%EF%BC%92%EF%BC%94%EF%BC%92%EF%BC%94%EF%BC%92"
        b"%EF%BC%94%EF%BC%92%EF%BC%94%EF%BC%92%EF%BC%94%EF%BC%92%EF%BC%94%EF%BC%92",
    ],
)
def test_a_number_in_a_query_is_found(query):
    assert query_holds_card_number(query)


def test_a_harmless_query_is_let_through():
    query = f"after={ids.mint('ord')}&limit=50&from=2026-11-22T10:11:12Z&\xff".encode("latin-1")
    assert not query_holds_card_number(query)


def test_a_long_text_takes_no_long_time():
    import time

    begun = time.perf_counter()
    for text in ("1 " * 32_000, "4" * 64_000, "1-" * 32_000, "a" * 64_000, "٤ " * 20_000):
        holds_card_number(text)
    holds_card_number(f"+{'4917612345670 +' * 4000}")
    holds_card_number("00000000-0000-4000-8000-000000000000 " * 1700)

    assert time.perf_counter() - begun < 2
