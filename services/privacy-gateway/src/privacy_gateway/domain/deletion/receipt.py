"""The receipt: what went, what stays, why and until when, signed so that it can be shown.

A JWS (RFC 7515) under a key of its own, which outlives tokens and their rotation. It names nobody
but the person's own number, which from then on leads nowhere.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.jwk import ECKey

from privacy_gateway.domain.deletion.plan import Plan
from privacy_gateway.domain.policy import Policy, words
from privacy_gateway.domain.vault.rescan import Rescan
from privacy_gateway.models import Deletion, PurgeRequest

TYPE: Final = "privity-deletion-receipt"
ALGORITHM: Final = "ES256"


class Receipts:
    def __init__(self, key_pem: str, *, issuer: str) -> None:
        self._key = ECKey.import_key(key_pem)
        self._issuer = issuer

    def sign(self, content: dict[str, Any]) -> str:
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._key.thumbprint()}
        payload = orjson.dumps({"iss": self._issuer, **content}, option=orjson.OPT_SORT_KEYS)
        return jws.serialize_compact(header, payload, self._key)

    def renewed(self, text: str, partners: Sequence[PurgeRequest]) -> str:
        """One of ours, with what is known of the partners by now."""
        known = orjson.loads(jws.deserialize_compact(text, self._key, [ALGORITHM]).payload)
        return self.sign({**known, "partners": _told(partners)})

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """What receipts are checked with, by anyone."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._key.thumbprint(), "alg": ALGORITHM}]}


def content(
    deletion: Deletion,
    plan: Plan,
    policy: Policy,
    *,
    partners: Sequence[PurgeRequest],
    searched: Rescan,
    record: str,
    now: datetime,
) -> dict[str, Any]:
    return {
        "id": deletion.id,
        "subject": deletion.subject_id,
        "asked_at": _moment(deletion.asked_at),
        "asked_by": "customer" if deletion.asked_by is None else "staff",
        "done_at": _moment(now),
        "letter": deletion.letter,
        "policy": policy.version,
        "policy_hash": policy.hash,
        "gone": [
            {"scope": part.scope, "class": part.retention_class, "data": _labels(policy, part)}
            for part in plan.go
        ],
        "kept": [
            {
                "scope": part.scope,
                "class": part.retention_class,
                "data": _labels(policy, part),
                "why": part.why,
                "until": _moment(part.until) if part.until else None,
            }
            for part in plan.stay
        ],
        "partners": _told(partners),
        "searched": {
            "values": searched.values,
            "keys": searched.keys,
            "opened": len(searched.opened),
        },
        "record": record,
    }


def _told(partners: Sequence[PurgeRequest]) -> list[dict[str, Any]]:
    """Told on, attested on; nothing where it has not come to that."""
    return [
        {
            "recipient": each.recipient_id,
            "delivery": each.delivery_id,
            "purge_by": _moment(each.purge_by),
            "told_at": _moment(each.told_at) if each.told_at else None,
            "attested_at": _moment(each.attested_at) if each.attested_at else None,
            "purged_at": _moment(each.purged_at) if each.purged_at else None,
        }
        for each in partners
    ]


def _labels(policy: Policy, part: Any) -> list[str]:
    return [words.label(policy.file, category) for category in part.categories]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
