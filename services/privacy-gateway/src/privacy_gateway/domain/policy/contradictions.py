"""What a policy file may not say: gaps, and one part that speaks against another."""

from collections.abc import Iterator

from privacy_gateway.domain.intake.normalise import VALIDATORS
from privacy_gateway.domain.policy.actions import WITHIN, Action
from privacy_gateway.domain.policy.dpv import PURPOSES
from privacy_gateway.domain.policy.file import (
    NOT_PERSONAL,
    WRITE_ONLY,
    CategoryRule,
    Counted,
    PolicyFile,
    Retention,
)
from privacy_gateway.domain.policy.gap import Gap, meant
from privacy_gateway.domain.policy.generalise import COARSER
from privacy_gateway.domain.policy.inheritance import Tables, forbidden, line_of, listed, tables
from privacy_gateway.domain.policy.limits import BREAK_GLASS
from privacy_gateway.domain.policy.masks import MASKS
from privacy_gateway.domain.policy.promises import broken_promises, consents

OWN = "privacy-gateway"


def contradictions(file: PolicyFile) -> Iterator[Gap]:
    yielded = tables(file)
    yield from _categories(file, yielded)
    yield from _purposes(file)
    yield from _lines(file)
    yield from _work(file)
    yield from _roles(file, yielded)
    yield from _rules(file)
    yield from _narrowing(file)
    yield from _shares(file)
    yield from _trust(file)
    yield from _retention(file)
    yield from broken_promises(file, yielded)


def _categories(file: PolicyFile, yielded: Tables) -> Iterator[Gap]:
    needed = {c for table in yielded.values() for c in table} | set(WRITE_ONLY)
    needed |= {c for kind in file.recipients.values() for c in kind.allow}
    shown = {c for (_, role), table in yielded.items() if role == "customer" for c in table}
    labels: dict[str, str] = {}
    for name, category in file.categories.items():
        place = ("categories", name)
        first = labels.setdefault(category.label, name)
        if first != name:
            says = f"{first} is called {category.label} too"
            yield Gap((*place, "label"), says, "people have to tell them apart: rename one")
        kept = category.retention_class
        if kept == "none" and name != NOT_PERSONAL:
            yield Gap((*place, "class"), f"only {NOT_PERSONAL} is outside retention", "name one")
        elif kept not in file.retention and kept != "none":
            do = meant(kept, file.retention, "write one under retention")
            yield Gap((*place, "class"), f"{kept} has no retention rule", do)
        if name not in needed:
            yield Gap(place, "no purpose needs it", "let a rule list it, or do not collect it")
        elif name != NOT_PERSONAL and name not in shown and not _is_secret(name):
            do = "reveal it to customer for self_service"
            yield Gap(place, "its customer cannot see it (C5.1)", do)
        yield from _forms(place, category)


def _is_secret(name: str) -> bool:
    return name.startswith("user.authorization.")


def _forms(place: tuple[str, str], category: CategoryRule) -> Iterator[Gap]:
    if category.sealed and category.validator is None:
        yield Gap(place, "sealed without a validator", "name one, so that it has one form")
    if category.lookup and not category.sealed:
        yield Gap((*place, "lookup"), "only what is sealed has a blind index", "seal it")
    for member, known in (("validator", VALIDATORS), ("mask", MASKS), ("generalise", COARSER)):
        named = getattr(category, member)
        if named is not None and named not in known:
            do = meant(named, known, f"there are {', '.join(sorted(known))}")
            yield Gap((*place, member), f"{named} is no {member} of this gateway", do)


def _purposes(file: PolicyFile) -> Iterator[Gap]:
    for name, purpose in file.purposes.items():
        place = ("purposes", name)
        none = forbidden(file.purposes, name)
        if none and file.rules.get(name):
            yield Gap(("rules", name), "forbidden, and a rule grants it", "remove the rule")
        if not none and name not in file.rules and purpose.inherits is None:
            yield Gap(place, "no rule says who gets what", "write one, or forbid it")
        if purpose.basis == "none" and not none:
            yield Gap((*place, "basis"), "no lawful basis", "name one, or forbid it")
        if not none and (purpose.basis == "consent") != bool(consents(file, name)):
            says = "rests on consent without naming it, or names one that it does not rest on"
            yield Gap(place, says, "set basis: consent and needs_consent together")
        if purpose.dpv not in PURPOSES:
            do = meant(purpose.dpv, PURPOSES, "look it up at w3id.org/dpv")
            yield Gap((*place, "dpv"), f"{purpose.dpv} is no purpose of DPV", do)
        if not purpose.clauses:
            yield Gap((*place, "clauses"), "no clause promises it", "name its clause")
        for clause in purpose.clauses:
            if clause not in file.notice.clauses:
                do = "publish it there, or name another"
                yield Gap((*place, "clauses"), f"clause {clause} is not in the notice", do)


def _lines(file: PolicyFile) -> Iterator[Gap]:
    for name, purpose in file.purposes.items():
        if purpose.inherits is None:
            continue
        place = ("purposes", name, "inherits")
        if purpose.inherits not in file.purposes:
            do = meant(purpose.inherits, file.purposes, "name a purpose of this file")
            yield Gap(place, f"{purpose.inherits} is no purpose", do)
        elif name in line_of(file.purposes, purpose.inherits):
            yield Gap(place, "inherits from itself", "let one of them stand alone")


def _work(file: PolicyFile) -> Iterator[Gap]:
    staff = {name for name, role in file.roles.items() if role.kind == "staff"}
    held = {purpose for purpose, role in tables(file) if role in staff}
    for name, purpose in file.purposes.items():
        place = ("purposes", name)
        if name in held and not purpose.work:
            yield Gap(place, "no kind of work ties staff to it", "say which under work")
        if "case" in purpose.work and not purpose.cases:
            says = "a case is work for it, and of what kind is not said"
            yield Gap((*place, "cases"), says, "list the kinds of cases")
        if purpose.cases and "case" not in purpose.work:
            yield Gap((*place, "cases"), "no case is work for it", "list case under work")
        if ("none" in purpose.work) != (name == BREAK_GLASS):
            yield Gap((*place, "work"), f"{BREAK_GLASS} alone goes without work", "change it")
        if name == BREAK_GLASS and name in held and file.limits.break_glass is None:
            yield Gap(place, "limits.break_glass is missing", "write it")
    for role in file.limits.budgets.roles:
        if role not in staff:
            do = meant(role, staff, "remove it")
            yield Gap(("limits", "budgets", "roles", role), f"{role} is no role of staff", do)


def _roles(file: PolicyFile, yielded: Tables) -> Iterator[Gap]:
    for name, role in file.roles.items():
        place = ("roles", name)
        theirs = {purpose for purpose, holder in yielded if holder == name}
        if not theirs:
            yield Gap(place, "no rule gives it anything", "write one, or remove the role")
        for purpose in role.only:
            if purpose not in file.purposes:
                do = meant(purpose, file.purposes, "remove it")
                yield Gap((*place, "only"), f"{purpose} is no purpose", do)
        if role.only:
            for purpose in sorted(theirs - set(role.only)):
                says = f"{name} is for {', '.join(role.only)} only"
                yield Gap(("rules", purpose, name), says, "remove the rule")
        if role.above is None:
            continue
        if role.above == name:
            yield Gap((*place, "above"), "stands above itself", "remove it")
        if role.above not in file.roles:
            do = meant(role.above, file.roles, "remove it")
            yield Gap((*place, "above"), f"{role.above} is no role", do)
        yield from _above(name, role.above, yielded)


def _above(upper: str, lower: str, yielded: Tables) -> Iterator[Gap]:
    for (purpose, role), table in yielded.items():
        if role != lower:
            continue
        theirs = yielded.get((purpose, upper), {})
        for category, action in table.items():
            if action not in WITHIN[theirs.get(category, Action.WITHHOLD)]:
                says = f"{lower} gets more of {category} than {upper}, which stands above it"
                yield Gap(("rules", purpose, lower), says, f"give it to {upper} too")


def _rules(file: PolicyFile) -> Iterator[Gap]:
    for purpose, by_role in file.rules.items():
        if purpose not in file.purposes:
            do = meant(purpose, file.purposes, "describe it under purposes")
            yield Gap(("rules", purpose), f"{purpose} is no purpose", do)
        for role in by_role:
            place = ("rules", purpose, role)
            if role not in file.roles:
                do = meant(role, file.roles, "describe it under roles")
                yield Gap(place, f"{role} is no role", do)
            yield from _rule(file, purpose, role)


def _rule(file: PolicyFile, purpose: str, role: str) -> Iterator[Gap]:
    seen: set[str] = set()
    kind = file.roles[role].kind if role in file.roles else None
    for category, action in listed(file.rules[purpose][role]):
        place = ("rules", purpose, role, action.value)
        known = file.categories.get(category)
        if known is None:
            do = meant(category, file.categories, "describe it under categories")
            yield Gap(place, f"{category} is no category", do)
        elif action is Action.MASK and known.mask is None:
            yield Gap(place, f"{category} has no mask", "give the category one, or withhold it")
        elif action is Action.GENERALISE and known.generalise is None:
            do = "give the category one, or withhold it"
            yield Gap(place, f"{category} has no coarser form", do)
        elif action is Action.CARRY and not known.sealed:
            yield Gap(place, f"{category} is not sealed: there is nothing to carry", "reveal it")
        if category in seen:
            yield Gap(place, f"{category} stands twice", "keep one of them")
        seen.add(category)
        if category in WRITE_ONLY and action is not Action.WITHHOLD:
            yield Gap(place, f"{category} never comes out", "remove it")
        if action is Action.CARRY and kind not in {"service", None}:
            yield Gap(place, "only services carry", "reveal, mask or withhold it")


def _narrowing(file: PolicyFile) -> Iterator[Gap]:
    """A sub-purpose is a part of its parent: for no other role, and never for more."""
    whole = tables(file)
    for purpose, by_role in file.rules.items():
        parent = file.purposes[purpose].inherits if purpose in file.purposes else None
        if parent is None or parent not in file.purposes:
            continue
        for role, yields in by_role.items():
            place = ("rules", purpose, role)
            above = whole.get((parent, role))
            if above is None:
                yield Gap(place, f"{role} has nothing for {parent}", f"grant {parent} first")
                continue
            for category, action in listed(yields):
                before = above.get(category, Action.WITHHOLD)
                if action not in WITHIN[before]:
                    says = f"{category}: {action.value}, and {parent} says {before.value}"
                    yield Gap((*place, action.value), says, "narrow it, or inherit nothing")


def _shares(file: PolicyFile) -> Iterator[Gap]:
    for kind, recipient in file.recipients.items():
        place = ("recipients", kind)
        known = recipient.purpose in file.purposes
        if not known or forbidden(file.purposes, recipient.purpose):
            do = meant(recipient.purpose, file.purposes, "name another")
            says = f"{recipient.purpose} is no purpose to disclose for"
            yield Gap((*place, "purpose"), says, do if not known else "name another")
        for category in recipient.allow:
            if category not in file.categories:
                do = meant(category, file.categories, "remove it")
                yield Gap((*place, "allow"), f"{category} is no category", do)


def _trust(file: PolicyFile) -> Iterator[Gap]:
    published = {event for trust in file.trust.values() for event in trust.publishes}
    for service, trust in file.trust.items():
        for kind in trust.discloses:
            if kind not in file.recipients:
                do = meant(kind, file.recipients, "describe it under recipients")
                yield Gap(("trust", service, "discloses"), f"{kind} is no kind of recipient", do)
        for event in trust.consumes:
            if event not in published:
                do = meant(event, published, "let its service publish it")
                yield Gap(("trust", service, "consumes"), f"nobody publishes {event}", do)


def _retention(file: PolicyFile) -> Iterator[Gap]:
    heard = file.trust[OWN].consumes if OWN in file.trust else ()
    for clock, events in file.clocks.items():
        for event in events:
            if event not in heard:
                says = f"{event} never reaches the gateway"
                yield Gap(("clocks", clock), says, f"let {OWN} consume it under trust")
    for name, rule in file.retention.items():
        for place, counted in _counted(("retention", name), rule):
            if counted.clock not in file.clocks:
                do = meant(counted.clock, file.clocks, "write it under clocks")
                yield Gap((*place, "clock"), f"{counted.clock} is no clock", do)


def _counted(place: tuple[str, ...], rule: Counted) -> Iterator[tuple[tuple[str, ...], Counted]]:
    yield place, rule
    if rule.or_after is not None:
        yield from _counted((*place, "or"), rule.or_after)
    if isinstance(rule, Retention):
        for scope, other in rule.elsewhere.items():
            yield from _counted((*place, "in", scope), other)
