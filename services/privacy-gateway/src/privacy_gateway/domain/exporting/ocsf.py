"""A record as an OCSF event of the class Datastore Activity (6005), version 1.3.0 of the schema."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

SCHEMA_VERSION: Final = "1.3.0"
CLASS, CATEGORY = 6005, 6
_OTHER: Final = 99
_ACTIVITIES: Final = {
    "read": (1, "Read"),
    "audit_read": (1, "Read"),
    "change": (2, "Update"),
    "policy": (2, "Update"),
    "grant": (3, "Connect"),
    "session": (3, "Connect"),
    "search": (4, "Query"),
    "collect": (5, "Write"),
}
_USER_TYPES: Final = {"customer": (1, "User"), "staff": (1, "User"), "service": (3, "System")}


def event(index: int, leaf: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema has no place for is under `unmapped`, so nothing of the record is lost."""
    activity, name = _ACTIVITIES.get(leaf["kind"], (_OTHER, leaf["kind"]))
    allowed = leaf["decision"] == "allow"
    user_type, user_said = _USER_TYPES.get(leaf["actor_kind"], (_OTHER, leaf["actor_kind"]))
    at = datetime.fromisoformat(leaf["at"])
    return {
        "class_uid": CLASS,
        "class_name": "Datastore Activity",
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "activity_id": activity,
        "activity_name": name,
        "type_uid": CLASS * 100 + activity,
        "type_id": 1,
        "severity_id": 1 if allowed else 2,
        "status_id": 1 if allowed else 2,
        "status": "Success" if allowed else "Failure",
        **({"status_detail": leaf["reason"]} if "reason" in leaf else {}),
        "time": int(at.timestamp() * 1000),
        "actor": {
            "user": {
                "uid": leaf["actor"],
                "type_id": user_type,
                "type": user_said,
                "groups": [{"name": leaf["role"]}],
            }
        },
        "src_endpoint": {"name": "privacy-gateway"},
        "dst_endpoint": {"name": leaf["service"]},
        "database": {"name": leaf["service"], "type_id": 1, "type": "Relational"},
        "metadata": {
            "version": SCHEMA_VERSION,
            "product": {"name": "Privity", "vendor_name": "Privity"},
            "uid": leaf["id"],
            "sequence": index,
            **({"correlation_uid": leaf["request"]} if "request" in leaf else {}),
        },
        "unmapped": {
            name: leaf[name]
            for name in (
                "kind",
                "subject",
                "purpose",
                "clauses",
                "policy",
                "policy_hash",
                "route",
                "work",
                "resource",
                "scope",
                "recipient",
                "fields",
            )
            if name in leaf
        },
    }
