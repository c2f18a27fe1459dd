"""The way through the gateway with the shop's own contracts and policy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.consents import Consents
from privacy_gateway.domain.passage.contracts import ContractsInForce
from privacy_gateway.domain.passage.outbound import Outbound
from privacy_gateway.domain.policy.in_force import PolicyInForce

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "services" / "privacy-gateway" / "policy"


@pytest.fixture(scope="package")
def documents() -> dict[str, Any]:
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted((ROOT / "services").glob("*/openapi.json"))
    }


@pytest.fixture(scope="package")
def contracts(documents: dict[str, Any]) -> ContractsInForce:
    return ContractsInForce(Offer(documents), PolicyInForce(FOLDER))


@pytest.fixture
def outbound(vault, log, services, gateway_database):
    budgets = Budgets(gateway_database.runtime, vault, deadline_seconds=10)
    yield Outbound(vault=vault, audit=log, consents=Consents(services), budgets=budgets)
    budgets.close()


@pytest.fixture
def versions(tmp_path: Path) -> Callable[..., PolicyInForce]:
    """Policies made from the committed one, a version for each change."""

    def make(*changes: Callable[[dict[str, Any]], object]) -> PolicyInForce:
        for number, change in enumerate(changes, start=1):
            file = yaml.safe_load(max(FOLDER.glob("*.yaml")).read_text())
            file["version"] = f"2026-0{number}-01"
            file["in_force_from"] = f"2026-0{number}-01T00:00:00Z"
            change(file)
            (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(file, sort_keys=False))
        return PolicyInForce(tmp_path)

    return make
