"""Where the key-encryption keys are, as configured. A key service is imported when it is named."""

from collections.abc import Sequence
from pathlib import Path

from privacy_gateway.domain.vault.kek import KeyEncryption, KeyFile
from privacy_gateway.domain.vault.key_ring import KeyRing, KeyService, ServiceKeys
from privacy_gateway.settings import KeyPlace

FILE = "key-encryption.json"


def key_encryption(places: Sequence[KeyPlace], *, secrets_dir: Path) -> KeyEncryption:
    """Raises ValueError for a place that cannot be right."""
    if [place.kind for place in places] == ["file"]:
        return KeyFile.read_or_create(secrets_dir / FILE)
    return KeyRing([_keys(place, secrets_dir) for place in places])


def _keys(place: KeyPlace, secrets_dir: Path) -> KeyEncryption:
    if place.kind == "file":
        return KeyFile.read_or_create(secrets_dir / FILE)
    return ServiceKeys(_service(place))


def _service(place: KeyPlace) -> KeyService:
    # ruff: noqa: PLC0415  # their libraries are large, and only the chosen one is installed
    if place.kind == "aws":
        from privacy_gateway.clients.key_services.aws import AwsKms

        return AwsKms(place.key, region=place.region, url=place.url)
    if place.kind == "google":
        from privacy_gateway.clients.key_services.google import URL, GoogleKms

        return GoogleKms(place.key, url=place.url or URL)
    from privacy_gateway.clients.key_services.transit import Transit

    if place.url is None or place.token_file is None:
        raise ValueError("transit needs an address and a token")
    return Transit(place.url, key=place.key, mount=place.mount, token_file=place.token_file)
