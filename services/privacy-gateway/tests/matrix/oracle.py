"""What the policy file says, read straight from its YAML: the engine is held against this."""

GIVEN = ("reveal", "generalise", "mask", "carry")


def line(raw, purpose):
    above = raw["purposes"][purpose].get("inherits")
    return [purpose, *(line(raw, above) if above else [])]


def rule(raw, purpose, role):
    """Category → action, for a role that has the purpose at all."""
    parent, rules = raw["purposes"][purpose].get("inherits"), raw["rules"].get(purpose)
    above = rule(raw, parent, role) if parent else {}
    if parent and (rules is None or above is None):
        return above
    if role not in (rules or {}):
        return None
    said = rules[role] or {}
    return above | {c: action for action in (*GIVEN, "withhold") for c in said.get(action, ())}


def outcome(raw, role, purpose, category, *, served, state, own, sealed):
    if purpose not in raw["purposes"]:
        return "withhold"
    purposes = [raw["purposes"][each] for each in line(raw, purpose)]
    found = rule(raw, purpose, role)
    strange = not own and raw["roles"][role]["kind"] in {"customer", "staff"}
    refused = state == "no consent" and any(p.get("needs_consent") for p in purposes)
    if found is None or strange or refused or any(p.get("forbidden") for p in purposes):
        return "withhold"
    if not set(line(raw, purpose)) & set(served):
        return "withhold"
    action = found.get(category, "withhold")
    gone = state == "deleted" and sealed and action in {"reveal", "generalise", "mask"}
    return "gone" if gone else action
