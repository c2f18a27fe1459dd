"""One form for each kind of value; what misleads, is too long or cannot be is refused by a code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy_gateway.domain.intake.normalise import (
    COUNTRIES,
    VALIDATORS,
    BadValue,
    index_form,
    normalise,
)

FORMS = [
    ("email", "anna@shop.example", "anna@shop.example"),
    ("email", " anna@shop.example\n", "anna@shop.example"),
    ("email", "Anna.Muster@Example.ORG", "Anna.Muster@example.org"),
    ("email", "anna+shop@example.com", "anna+shop@example.com"),
    ("email", "anna@mail.example.net", "anna@mail.example.net"),
    ("email", "jürgen@bücher.example", "jürgen@bücher.example"),
    ("email", "anna@xn--bcher-kva.example", "anna@bücher.example"),
    ("email", "ju\u0308rgen@example.org", "jürgen@example.org"),
    ("phone", "+12025550123", "+12025550123"),
    ("phone", "+1 (202) 555-0123", "+12025550123"),
    ("phone", "+44 20 7946 0018", "+442079460018"),
    ("phone", "+49 30 23125 123", "+493023125123"),
    ("phone", "0049 30 23125 123", "+493023125123"),
    ("phone", "+49 (0) 30 23125 123", "+493023125123"),
    ("phone", "+49 (0)30/23125-123", "+493023125123"),
    ("phone", "+61 491 570 156", "+61491570156"),
    ("phone", "+33 1 99 00 12 34", "+33199001234"),
    ("phone", "＋４９ ３０ ２３１２５ １２３", "+493023125123"),
    ("phone", " +15555550100 ", "+15555550100"),
    ("name", "Anna Muster", "Anna Muster"),
    ("name", "  Anna\t  Muster ", "Anna Muster"),
    ("name", "Zoe\u0308", "Zoë"),
    ("name", "O’Brien-Łukasz, Jr.", "O’Brien-Łukasz, Jr."),
    ("name", "山田 太郎", "山田 太郎"),
    ("name", "محمد", "محمد"),
    ("name", "علی\u200cرضا", "علی\u200cرضا"),
    ("name", "क्\u200dष", "क्\u200dष"),
    ("name", "Anna\u00a0Muster", "Anna Muster"),
    ("name", "A" * 100, "A" * 100),
    ("name", "X Æ A-12", "X Æ A-12"),
    ("address_line", "Straße des 17. Juni 135", "Straße des 17. Juni 135"),
    ("address_line", "12", "12"),
    ("city", "São Paulo", "São Paulo"),
    ("region", "NRW", "NRW"),
    ("postal_code", "10115", "10115"),
    ("postal_code", " sw1a  1aa ", "SW1A 1AA"),
    ("postal_code", "１００-０００１", "100-0001"),
    ("country", "de", "DE"),
    ("country", " US ", "US"),
    ("text", " two\r\nlines\rof\ntext\t! ", "two\nlines\nof\ntext\t!"),
    ("text", "👍🏽 fine", "👍🏽 fine"),
    ("note", "ring twice", "ring twice"),
]

REFUSED = [
    ("email", "", "email_length"),
    ("email", "a@" + "b" * 260 + ".example", "email_length"),
    ("email", "anna", "email_format"),
    ("email", "anna@", "email_format"),
    ("email", "@shop.example", "email_format"),
    ("email", "anna@localhost", "email_format"),
    ("email", "anna@shop", "email_format"),
    ("email", "anna@shop..example", "email_format"),
    ("email", "anna muster@shop.example", "email_format"),
    ("email", "Anna <anna@shop.example>", "email_format"),
    ("email", '"anna"@shop.example', "email_format"),
    ("email", "anna@[127.0.0.1]", "email_format"),
    ("email", "anna@shop.example\nBcc: all@shop.example", "email_format"),
    ("email", "a@b.example, c@d.example", "email_format"),
    ("email", "an\0na@shop.example", "email_format"),
    ("email", "anna@shop.example\u202e", "email_format"),
    ("phone", "", "phone_format"),
    ("phone", "+49", "phone_format"),
    ("phone", "+493", "phone_format"),
    ("phone", "030 23125 123", "phone_country_code_missing"),
    ("phone", "2025550123", "phone_country_code_missing"),
    ("phone", "+4930231251231231", "phone_length"),
    ("phone", "+1202555", "phone_length"),
    ("phone", "+999123456789", "phone_format"),
    ("phone", "+1-800-FLOWERS", "phone_format"),
    ("phone", "+12025550123 ext 5", "phone_format"),
    ("phone", "+12025550123;ext=5", "phone_format"),
    ("phone", "tel:+12025550123", "phone_format"),
    ("phone", "+4242424242424242", "phone_format"),
    ("phone", "4242424242424242", "phone_country_code_missing"),
    ("phone", "+378282246310005", "phone_length"),
    ("phone", "+30569309025904", "phone_format"),  # possible in Greece, and a card number
    ("name", "", "empty"),
    ("name", "   ", "empty"),
    ("name", "12345", "no_letter"),
    ("name", "?!", "no_letter"),
    ("name", "A" * 101, "too_long"),
    ("name", "A" * 100_000, "too_long"),
    ("name", "Anna\nMuster", "control_character"),
    ("name", "Anna\x00", "control_character"),
    ("name", "Anna\x1b[31m", "control_character"),
    ("name", "Anna\x85Muster", "control_character"),
    ("name", "Anna\u2028Muster", "control_character"),
    ("name", "Anna\u202eretsuM", "text_direction_override"),
    ("name", "\u2066Anna\u2069", "text_direction_override"),
    ("name", "An\u200bna", "invisible_character"),
    ("name", "An\u00adna", "invisible_character"),
    ("name", "Anna\U000e0041", "invisible_character"),
    ("name", "\ufeffAnna", "invisible_character"),
    ("name", "Anna\ue000", "unassigned_character"),
    ("name", "Anna\ufffe", "unassigned_character"),
    ("name", "Anna\ud800", "unassigned_character"),
    ("name", "Anna https://attacker.example", "link_in_name"),
    ("name", "Anna WWW.attacker.example", "link_in_name"),
    ("address_line", "---", "no_letter_or_digit"),
    ("address_line", "A" * 101, "too_long"),
    ("city", "123", "no_letter"),
    ("city", "A" * 81, "too_long"),
    ("region", "A" * 81, "too_long"),
    ("postal_code", "", "postal_code_format"),
    ("postal_code", "1", "postal_code_format"),
    ("postal_code", "-1011", "postal_code_format"),
    ("postal_code", "10--11", "postal_code_format"),
    ("postal_code", "1" * 13, "postal_code_format"),
    ("postal_code", "10115; DROP", "postal_code_format"),
    ("country", "XX", "country_unknown"),
    ("country", "DEU", "country_unknown"),
    ("country", "", "country_unknown"),
    ("country", "../de", "country_unknown"),
    ("text", " \n ", "empty"),
    ("text", "a" * 2001, "too_long"),
    ("text", "a\x07", "control_character"),
    ("text", "a\u202eb", "text_direction_override"),
    ("note", "two\nlines", "control_character"),
    ("note", "a" * 201, "too_long"),
]


@pytest.mark.parametrize(("validator", "value", "form"), FORMS)
def test_a_value_is_brought_into_one_form(validator, value, form):
    assert normalise(validator, value) == form
    assert normalise(validator, form) == form


@pytest.mark.parametrize(("validator", "value", "code"), REFUSED)
def test_what_cannot_be_is_refused_by_a_code_and_never_repeated(validator, value, code):
    with pytest.raises(BadValue) as refused:
        normalise(validator, value)

    assert (refused.value.code, str(refused.value)) == (code, code)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}, b"anna"])
def test_only_text_is_text(value):
    for validator in VALIDATORS:
        with pytest.raises(BadValue, match="not_text"):
            normalise(validator, value)


def test_a_validator_that_does_not_exist_is_a_bug():
    with pytest.raises(KeyError):
        normalise("anything", "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna.Muster@Example.ORG", "anna.muster@example.org"),
        ("JÜRGEN@example.org", "ju\u0308rgen@example.org"),
        ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"),
    ],
)
def test_two_spellings_of_a_mailbox_are_found_as_one(one, other):
    forms = {index_form("email", normalise("email", spelled)) for spelled in (one, other)}

    assert len(forms) == 1


def test_different_mailboxes_are_found_apart():
    spelled = ["a.nna@shop.example", "anna@shop.example", "anna+x@shop.example"]

    assert len({index_form("email", normalise("email", mail)) for mail in spelled}) == 3
    assert index_form("phone", "+493023125123") == "+493023125123"


def test_the_countries_are_those_with_two_letters():
    assert len(COUNTRIES) > 240
    assert {"DE", "US", "GB", "JP", "BR", "IN", "CN", "ZA"} <= COUNTRIES
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(VALIDATORS)), st.text(max_size=60))
def test_whatever_comes_is_refused_or_reaches_a_form_that_stays(validator, value):
    try:
        form = normalise(validator, value)
    except BadValue:
        return
    assert form
    assert normalise(validator, form) == form
    assert not set(form) & {"\0", "\u202e", "\r"}
