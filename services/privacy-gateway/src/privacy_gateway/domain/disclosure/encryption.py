"""A payload that only the partner can read: JWE in its compact form, to the partner's public key.

One suite. A partner without a key gets the payload readable inside its TLS.
"""

from typing import Final

from joserfc import jwe

from privacy_gateway.domain.recipients.public_key import PublicKey

KEY_MANAGEMENT: Final = "ECDH-ES+A256KW"
CONTENT: Final = "A256GCM"


def encrypt(payload: bytes, key: PublicKey) -> str:
    header = {
        "alg": KEY_MANAGEMENT,
        "enc": CONTENT,
        "kid": key.kid,
        "cty": "application/json",
    }
    return jwe.encrypt_compact(
        header, payload, key.imported(), algorithms=[KEY_MANAGEMENT, CONTENT]
    )
