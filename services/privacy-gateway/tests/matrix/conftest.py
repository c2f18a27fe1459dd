"""The whole matrix: the shop's own policy and contracts, and people in every state."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.contracts.document import nullable
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.consents import Consents
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.passage.outbound import Outbound
from privacy_gateway.domain.policy import Policy, load
from privacy_gateway.domain.vault.data_keys import AUDIT_TAG

from .answers import PLAIN, Person, everything, new_person

ROOT = Path(__file__).resolve().parents[4]
POLICY = max((ROOT / "services" / "privacy-gateway" / "policy").glob("*.yaml"))
Raw = dict[str, Any]


@pytest.fixture(scope="session")
def raw() -> Raw:
    loaded: Raw = yaml.safe_load(POLICY.read_text())
    return loaded


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy(load(POLICY))


@pytest.fixture(scope="session")
def contracts(raw: Raw, policy: Policy) -> Contracts:
    """The shop's contracts, and one more with a field of every category for every purpose."""
    documents = {
        path.parent.name: json.loads(path.read_text())
        for path in (ROOT / "services").glob("*/openapi.json")
    }
    secret = {"user.authorization.password", "user.authorization.code"}
    categories = {c: rule for c, rule in raw["categories"].items() if c not in secret}
    allowed = [name for name in raw["purposes"] if not policy.forbidden(name)]
    documents["everything"] = everything(categories, allowed)
    return Contracts(Offer(documents), policy)


def scope_kinds(schema: Any) -> set[str]:
    inner, _ = nullable(schema)
    kinds = {inner["x-privity-scope"].partition("/")[0]} if "x-privity-scope" in inner else set()
    for member in inner.get("properties", {}).values():
        kinds |= scope_kinds(member)
    return kinds | (scope_kinds(inner["items"]) if "items" in inner else set())


@pytest.fixture(scope="session")
async def people(contracts, policy, vault, destruction) -> dict[str, Person]:
    """By the state of what is held about them."""
    kinds: set[str] = set().union(*(scope_kinds(r.answer or {}) for r in contracts.offer.routes))
    made = {}
    for state in ("held", "deleted", "no consent"):
        person = made[state] = new_person(kinds)
        for scope in person.scopes.values():
            tokens = await vault.seal(
                person.subject, scope, list(PLAIN.items()), classes=policy.classes
            )
            for category, token in zip(PLAIN, tokens, strict=True):
                person.sealed[scope, category] = token
    gone = made["deleted"]
    await destruction.destroy(subject=gone.subject, keeping=[AUDIT_TAG], now=datetime.now(UTC))
    return made


@pytest.fixture
async def outbound(vault, log, services, behind, people, gateway_database):
    for state, person in people.items():
        given = {"marketing": {"given": state != "no consent"}}
        behind.says("customers", f"/v1/consents/{person.subject}/state", given)
    budgets = Budgets(gateway_database.runtime, vault, deadline_seconds=10)
    yield Outbound(vault=vault, audit=log, consents=Consents(services), budgets=budgets)
    budgets.close()
