"""The public half of a partner's key: one curve, no options."""

from typing import Annotated, Literal

from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, StringConstraints

# 32 bytes in base64url: the last of 43 characters holds four bits, and its two spare ones are zero.
Coordinate = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class UnusableKey(ValueError):
    """Not a point on the curve."""


class PublicKey(BaseModel):
    """As a JSON Web Key (RFC 7517). A private member is an unknown one here."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Coordinate
    y: Coordinate
    kid: KeyId
    use: Literal["enc"] = "enc"
    alg: Literal["ECDH-ES+A256KW"] = "ECDH-ES+A256KW"

    def imported(self) -> ECKey:
        """Raises UnusableKey."""
        members: dict[str, str | list[str]] = {
            "kty": self.kty,
            "crv": self.crv,
            "x": self.x,
            "y": self.y,
        }
        try:
            return ECKey.import_key(members)
        except ValueError:
            raise UnusableKey("not a point on the curve") from None
