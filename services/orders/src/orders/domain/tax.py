"""The tax that a price contains, by the country that the goods go to.

Prices in the catalogue are what a customer pays: tax included, the same everywhere. Goods sold to
a consumer in another member state are taxed where they arrive (Directive 2006/112/EC, article
33), so the country decides how much of the price is tax. Standard rates, in hundredths of a
percent. Exports out of the table are free of it (article 146).
"""

STANDARD_RATES: dict[str, int] = {
    "AT": 2000,
    "BE": 2100,
    "BG": 2000,
    "CY": 1900,
    "CZ": 2100,
    "DE": 1900,
    "DK": 2500,
    "EE": 2400,
    "ES": 2100,
    "FI": 2550,
    "FR": 2000,
    "GR": 2400,
    "HR": 2500,
    "HU": 2700,
    "IE": 2300,
    "IT": 2200,
    "LT": 2100,
    "LU": 1700,
    "LV": 2100,
    "MT": 1800,
    "NL": 2100,
    "PL": 2300,
    "PT": 2300,
    "RO": 2100,
    "SE": 2500,
    "SI": 2200,
    "SK": 2300,
}


def rate(country: str) -> int:
    return STANDARD_RATES.get(country, 0)


def contained(total: int, *, rate: int) -> int:
    """The tax within `total`, in the same minor units, rounded half up."""
    whole = 10_000 + rate
    return (2 * total * rate + whole) // (2 * whole)
