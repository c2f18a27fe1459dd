"""Contracts on paper: each service's OpenAPI document, committed beside it.

`python -m privity_deploy.house.contracts` writes them; with `--check` it exits 1 when one differs
from what the code says.
"""

import json
import subprocess
import sys
from pathlib import Path

SERVICES = {
    "customers": "customers",
    "orders": "orders",
    "logistics-adapter": "logistics_adapter",
}
_PRINT = "import json, sys; from {package}.main import contract; json.dump(contract(), sys.stdout)"


def contract(package: str) -> str:
    """Asked of the service in a process of its own, as nothing here may import a service."""
    ran = subprocess.run(
        [sys.executable, "-c", _PRINT.format(package=package)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.dumps(json.loads(ran.stdout), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    differs = 0
    for service, package in SERVICES.items():
        path = Path.cwd() / "services" / service / "openapi.json"
        said = contract(package)
        if "--check" not in sys.argv:
            path.write_text(said, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != said:
            print(f"{service}: the contract differs from openapi.json; run `make contracts`")
            differs += 1
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
