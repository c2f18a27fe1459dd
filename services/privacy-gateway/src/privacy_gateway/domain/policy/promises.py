"""What no policy file may say, whatever it grants: clauses that stand above every version."""

from collections.abc import Iterator

from privacy_gateway.domain.policy.dpv import MARKETING, SALE
from privacy_gateway.domain.policy.file import NOT_PERSONAL, PolicyFile
from privacy_gateway.domain.policy.gap import Gap
from privacy_gateway.domain.policy.inheritance import Tables, forbidden, line_of

DELIVERY = "delivery"
# What a parcel needs to arrive (C4.2).
OF_DELIVERY = ("user.name", "user.contact.phone_number", "user.contact.address.")
# A code is told to whom it was made for, by letter; the rest of what opens an account to nobody.
SECRETS = ("user.authorization.password", "user.authorization.refresh_token")
PAYMENT = "user.payment"
# Who is not known yet gets what a session of theirs begins with, and nothing of anybody.
OF_OUTSIDERS = {
    "visitor": frozenset({NOT_PERSONAL, "user.unique_id", "user.authorization.refresh_token"}),
    "partner": frozenset({NOT_PERSONAL}),
}


def broken_promises(file: PolicyFile, yielded: Tables) -> Iterator[Gap]:
    yield from _without_consent(file)
    yield from _outsiders(file, yielded)
    yield from _disclosures(file)


def consents(file: PolicyFile, name: str) -> list[str]:
    """Which a purpose needs, its parents' included."""
    line = line_of(file.purposes, name)
    return [given for each in line if (given := file.purposes[each].needs_consent) is not None]


def _without_consent(file: PolicyFile) -> Iterator[Gap]:
    for name, purpose in file.purposes.items():
        if forbidden(file.purposes, name):
            continue
        place = ("purposes", name, "dpv")
        if purpose.dpv in SALE:
            yield Gap(place, "data is not sold (C4.1)", "forbid it")
        elif purpose.dpv in MARKETING and not consents(file, name):
            do = "name the consent under needs_consent, or forbid it"
            yield Gap(place, "advertising without consent (C2.1)", do)


def _outsiders(file: PolicyFile, yielded: Tables) -> Iterator[Gap]:
    for (purpose, role), table in yielded.items():
        kind, place = file.roles[role].kind if role in file.roles else "", ("rules", purpose, role)
        allowed = OF_OUTSIDERS.get(kind)
        for category in table:
            if allowed is not None and category not in allowed:
                says = f"a {kind} gets {category}"
                yield Gap(place, says, "remove it; a partner is given data by a disclosure")
        if kind in {"customer", "visitor"} and file.purposes[purpose].work:
            yield Gap(place, f"its work is for staff, and a {kind} does none", "remove the rule")


def _disclosures(file: PolicyFile) -> Iterator[Gap]:
    for kind, recipient in file.recipients.items():
        place = ("recipients", kind)
        known = recipient.purpose in file.purposes
        if known and consents(file, recipient.purpose):
            do = "let it be read for that purpose instead"
            yield Gap((*place, "purpose"), "no consent is asked for when disclosing", do)
        delivers = known and DELIVERY in line_of(file.purposes, recipient.purpose)
        for category in recipient.allow:
            if category == PAYMENT:
                yield Gap((*place, "allow"), "payment data goes to no partner (C4.2)", "remove it")
            elif category in SECRETS:
                yield Gap((*place, "allow"), f"{category} goes to nobody", "remove it")
            elif delivers and not category.startswith(OF_DELIVERY):
                says = f"a delivery does not need {category} (C4.2)"
                yield Gap((*place, "allow"), says, "remove it")
