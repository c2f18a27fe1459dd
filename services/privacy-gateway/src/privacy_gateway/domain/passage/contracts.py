"""The contracts in force: what services offer, joined with one version of the policy."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from privacy_gateway.domain.contracts.answer import AnswerPlan
from privacy_gateway.domain.contracts.document import Route
from privacy_gateway.domain.contracts.gaps import case_gaps, consent_gaps, gaps, trust_gaps
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.contracts.reading import Errors
from privacy_gateway.domain.contracts.request import RequestPlan, Rules
from privacy_gateway.domain.contracts.scalar import Unsupported
from privacy_gateway.domain.intake.address import FIELDS, normalise_address
from privacy_gateway.domain.intake.normalise import BadValue, Invalid, normalise
from privacy_gateway.domain.policy import Gap, Policy, PolicyGap
from privacy_gateway.domain.policy.in_force import PolicyInForce


class Contracts:
    """Raises PolicyGap, naming every gap, when contracts and policy do not meet."""

    def __init__(self, offer: Offer, policy: Policy) -> None:
        self.offer = offer
        self.policy = policy
        found = gaps(offer.routes, policy)
        found += trust_gaps(offer.routes, offer.documents, policy)
        found += case_gaps(offer.documents, policy)
        found += consent_gaps(offer.documents, policy)
        rules = _rules(policy)
        self._requests: dict[Route, RequestPlan] = {}
        for route in offer.routes:
            try:
                if route.request is not None:
                    self._requests[route] = RequestPlan(route.request, rules)
            except Unsupported as exc:
                place = (route.service, route.name, "request")
                found.append(Gap(place, f"cannot check {exc}", "describe it completely"))
        if found:
            raise PolicyGap(found)
        self._answers: dict[tuple[Route, str, str, frozenset[str] | None], AnswerPlan] = {}
        self._admits: dict[tuple[Route, str, str], bool] = {}

    def request(self, route: Route) -> RequestPlan | None:
        return self._requests.get(route)

    def admits(self, route: Route, *, role: str, purpose: str) -> bool:
        """Whether the route serves this purpose and the role may have it. Names match exactly."""
        key = (route, role, purpose)
        admits = self._admits.get(key)
        if admits is None:
            policy = self.policy
            admits = policy.may(role, purpose) and policy.serves(route.purposes, purpose)
            if admits:  # others are whatever somebody's token says
                self._admits[key] = admits
        return admits

    def answer(
        self, route: Route, *, role: str, purpose: str, only: frozenset[str] | None
    ) -> AnswerPlan | None:
        """The plan is kept under everything that it depends on."""
        if route.answer is None:
            return None
        key = (route, role, purpose, only)
        plan = self._answers.get(key)
        if plan is None:
            plan = AnswerPlan(route.answer, self.policy, role=role, purpose=purpose, only=only)
            if only is None:  # narrowed grants are too many kinds to keep
                self._answers[key] = plan
        return plan


class ContractsInForce:
    """The contracts joined with each version of the policy that counts, or is to count."""

    def __init__(self, offer: Offer, policies: PolicyInForce) -> None:
        """Raises PolicyGap; from then on the policy takes no version that does not fit."""
        self.offer = offer
        self._policies = policies
        self._joined: dict[str, Contracts] = {}
        policies.require(self._join)

    @property
    def current(self) -> Contracts:
        return self._joined[self._policies.current.hash]

    def offered(self, route: str) -> tuple[str, ...] | None:
        """The purposes of a route as records name it (`GET:/v1/orders`), if it still exists."""
        return next((r.purposes for r in self.offer.routes if r.recorded == route), None)

    def _join(self, policy: Policy) -> None:
        if policy.hash not in self._joined:
            self._joined[policy.hash] = Contracts(self.offer, policy)


def load_documents(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    return {name: orjson.loads(path.read_bytes()) for name, path in paths.items()}


def _rules(policy: Policy) -> Rules:
    sealed: dict[str, Callable[[str], str]] = {
        name: partial(_normalised, rule.validator)
        for name, rule in policy.file.categories.items()
        if rule.sealed and rule.validator is not None
    }
    return Rules(sealed=sealed, groups={"address": _address})


def _normalised(validator: str, value: str) -> str:
    try:
        return normalise(validator, value)
    except BadValue as exc:
        raise ValueError(exc.code) from None


def _address(built: dict[str, Any], path: str) -> Errors:
    try:
        whole = normalise_address({name: built.get(name) for name in FIELDS})
    except Invalid as exc:
        return [(f"{path}{pointer}", code) for pointer, code in exc.errors]
    for name in FIELDS:
        if built.get(name) is not None:
            built[name] = whole[name]
    return []
