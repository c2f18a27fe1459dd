"""An address in the form of its country: what must be there, and how codes are written."""

import pytest

from privacy_gateway.domain.intake.address import normalise_address
from privacy_gateway.domain.intake.normalise import Invalid

WHO = {"recipient": "Anna Muster", "line1": "Weg 1"}

# As written, and what becomes of it.
FORMS = [
    ({"country": "de", "postal_code": "10115", "city": "Berlin"}, {"country": "DE"}),
    ({"country": "DE", "postal_code": "D-10115", "city": "Berlin"}, {"postal_code": "10115"}),
    ({"country": "DE", "postal_code": "10115", "city": "Berlin", "region": "Berlin"}, {}),
    ({"country": "AT", "postal_code": "1010", "city": "Wien"}, {}),
    ({"country": "CH", "postal_code": "8000", "city": "Zürich"}, {}),
    ({"country": "FR", "postal_code": "75001", "city": "Paris"}, {}),
    ({"country": "LU", "postal_code": "LU-4750", "city": "P"}, {"postal_code": "4750"}),
    ({"country": "LV", "postal_code": "LV-1010", "city": "Rīga"}, {"postal_code": "LV-1010"}),
    ({"country": "LU", "postal_code": "L-4750", "city": "Pétange"}, {"postal_code": "4750"}),
    ({"country": "NL", "postal_code": "1234ab", "city": "A"}, {"postal_code": "1234 AB"}),
    ({"country": "PL", "postal_code": "00950", "city": "W"}, {"postal_code": "00-950"}),
    ({"country": "PT", "postal_code": "2725079", "city": "L"}, {"postal_code": "2725-079"}),
    ({"country": "CZ", "postal_code": "10000", "city": "Praha"}, {"postal_code": "100 00"}),
    ({"country": "GB", "postal_code": "sw1a1aa", "city": "London"}, {"postal_code": "SW1A 1AA"}),
    ({"country": "GB", "postal_code": "M11AE", "city": "Manchester"}, {"postal_code": "M1 1AE"}),
    ({"country": "IE", "city": "Dublin"}, {}),
    ({"country": "HK", "region": "Kowloon", "city": "Mong Kok"}, {}),
    (
        {"country": "US", "postal_code": "94105", "city": "San Francisco", "region": "california"},
        {"region": "CA", "city": "San Francisco"},
    ),
    ({"country": "US", "postal_code": "22162-1010", "city": "S", "region": "VA"}, {}),
    (
        {"country": "CA", "postal_code": "h3z2y7", "city": "Montréal", "region": "Québec"},
        {"region": "QC", "postal_code": "H3Z 2Y7"},
    ),
    (
        {"country": "JP", "postal_code": "1000001", "city": "千代田区", "region": "東京都"},
        {"postal_code": "100-0001", "city": "千代田区"},
    ),
    (
        {"country": "JP", "postal_code": "100-0001", "city": "Chiyoda", "region": "Tokyo"},
        {"region": "東京都"},
    ),
    ({"country": "IN", "postal_code": "110 034", "city": "D", "region": "Delhi"}, {}),
    (
        {"country": "BR", "postal_code": "40301110", "city": "Salvador", "region": "Bahia"},
        {"region": "BA", "postal_code": "40301-110"},
    ),
    ({"country": "KR", "postal_code": "03051", "city": "종로구", "region": "서울"}, {}),
    ({"country": "AU", "postal_code": "2000", "city": "Sydney", "region": "NSW"}, {}),
]

REFUSED = [
    ({}, {"/country": "required"}),
    ({"country": "XX"}, {"/country": "country_unknown"}),
    ({"country": "DE"}, {"/city": "required", "/postal_code": "required"}),
    ({"country": "DE", "city": "B", "postal_code": "1011"}, {"/postal_code": "postal_code_format"}),
    (
        {"country": "US", "city": "SF", "postal_code": "94105", "region": "NY"},
        {"/postal_code": "postal_code_not_in_region"},
    ),
    (
        {"country": "US", "city": "SF", "postal_code": "94105", "region": "Bayern"},
        {"/region": "region_unknown"},
    ),
    ({"country": "US", "city": "SF", "postal_code": "94105"}, {"/region": "required"}),
    ({"country": "US", "city": "SF", "region": "CA"}, {"/postal_code": "required"}),
    (
        {"country": "DE", "city": "B", "postal_code": "10115", "recipient": None},
        {"/recipient": "required"},
    ),
    ({"country": "DE", "city": "B", "postal_code": "10115", "line1": ""}, {"/line1": "empty"}),
    (
        {"country": "DE", "city": "B", "postal_code": "10115", "line2": "\u202ex"},
        {"/line2": "text_direction_override"},
    ),
    (
        {"country": "DE", "city": "B", "postal_code": "10115", "phone": "030 1"},
        {"/phone": "phone_country_code_missing"},
    ),
    ({"country": "DE", "city": "B", "postal_code": 10115}, {"/postal_code": "not_text"}),
    (
        {"country": "DE", "city": "1", "postal_code": "?", "recipient": "7"},
        {
            "/recipient": "no_letter",
            "/city": "no_letter",
            "/postal_code": "postal_code_format",
        },
    ),
]


@pytest.mark.parametrize(("written", "form"), FORMS)
def test_an_address_takes_the_form_of_its_country(written, form):
    address = normalise_address(WHO | written)

    assert {name: address[name] for name in form} == form
    assert address.keys() == WHO.keys() | written.keys()
    assert normalise_address(address) == address


@pytest.mark.parametrize(("written", "errors"), REFUSED)
def test_every_fault_is_told_with_its_field_and_a_code(written, errors):
    with pytest.raises(Invalid) as refused:
        normalise_address(WHO | written)

    assert {field: code for field, code in refused.value.errors if field in errors} == errors
    assert all(field in errors or code == "required" for field, code in refused.value.errors)


def test_absent_and_null_are_the_same():
    address = {"country": "DE", "postal_code": "10115", "city": "Berlin"}
    nulls = {"line2": None, "phone": None, "region": None}

    assert normalise_address(WHO | address | nulls) == normalise_address(WHO | address)


def test_no_country_is_without_rules():
    from privacy_gateway.domain.intake.address import _rules
    from privacy_gateway.domain.intake.normalise import COUNTRIES

    assert all(_rules(country, None) for country in COUNTRIES)


def test_a_city_is_left_as_its_people_write_it():
    address = {"country": "DE", "postal_code": "20095", "city": "hamburg-Mitte"}

    assert normalise_address(WHO | address)["city"] == "hamburg-Mitte"
