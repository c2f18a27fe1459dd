"""`make bench`: one read of six delivery fields, side by side, in one run on one machine.

Compared are the gateway (token checked, owner checked, six fields opened, the record durable
before the answer), a plain service with no protection, and a conventional gateway. Each round runs
all three one after the other; the medians over the rounds are compared. Figures move with the
machine, ratios much less.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import decision
import growth
import httpx
import psutil

from privacy_gateway.domain.tokens import minting
from privacy_gateway.domain.tokens.jose import TokenSigner
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_deploy.stack import Stack, lent_stack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLASSES = {
    "user.name": "identity",
    "user.contact.phone_number": "identity",
    "user.contact.address.street": "delivery",
    "user.contact.address.city": "delivery",
    "user.contact.address.postal_code": "delivery",
    "user.contact.email": "identity",
}
CLEAR = {
    "recipient": ("user.name", "Alice Example"),
    "phone": ("user.contact.phone_number", "+493023125001"),
    "line1": ("user.contact.address.street", "Musterstraße 1"),
    "line2": ("user.contact.address.street", "Hinterhaus"),
    "city": ("user.contact.address.city", "Berlin"),
    "postal_code": ("user.contact.address.postal_code", "10115"),
}
INDEX = "b1:0:" + "A" * 32


async def _fill(stack: Stack, customers: int) -> list[str]:
    """Customers with an address each, sealed as the gateway seals; lines of path and token."""
    secrets = stack.secrets
    keys = DataKeys(
        _driver_url(stack, "privity_keys"),
        KeyFile.read(secrets.path("gateway/key-encryption.json")),
        deadline_seconds=30,
        cache_size=customers * 4,
    )
    await keys.start()
    vault = Vault(
        keys,
        index_key=bytes.fromhex(secrets.read("gateway/blind-index")),
        request_key=bytes.fromhex(secrets.read("gateway/requests")),
    )
    signer = TokenSigner(secrets.read("gateway/token-signing.pem"), issuer=stack.url)
    accounts, sealed, clear, lines = [], [], [], []
    for _ in range(customers):
        subject, address = ids.mint("cus"), ids.mint("adr")
        tokens = await vault.seal(
            subject, f"account/{subject}", list(CLEAR.values()), classes=CLASSES
        )
        values = dict(zip(CLEAR, tokens, strict=True))
        accounts.append((subject, values["recipient"], values["phone"]))
        sealed.append((address, subject, *tokens))
        clear.append((address, subject, *(text for _, text in CLEAR.values())))
        minted = minting.customer_token(
            signer, account=subject, session=ids.mint("ses"), now=time.time()
        )
        lines.append(f"/v1/addresses/{address}\t{minted.token}")
    await keys.close()
    await _insert(stack, accounts, sealed, clear)
    return lines


async def _insert(
    stack: Stack, accounts: list[tuple], sealed: list[tuple], clear: list[tuple]
) -> None:
    connection = await asyncpg.connect(_driver_url(stack, "privity_customers", owner=True))
    await connection.executemany(
        "INSERT INTO accounts (id, state, name, email, email_index_even, phone, phone_index_even,"
        " password_hash, created_at) VALUES ($1, 'pending', $2, $2, $4, $3, $4, 'none', now())",
        [(*account, INDEX) for account in accounts],
    )
    await connection.executemany(
        "INSERT INTO addresses (id, account_id, recipient, phone, line1, line2, city, postal_code,"
        " country, request_key, fingerprint) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'DE',"
        " decode(md5($1), 'hex'), 'none')",
        sealed,
    )
    await connection.execute("ANALYZE")
    await connection.close()
    connection = await asyncpg.connect(stack.places.admin_url)
    await connection.execute(
        "CREATE TABLE plain_addresses (id text PRIMARY KEY, account_id text, recipient text,"
        " phone text, line1 text, line2 text, city text, region text, postal_code text,"
        " country text)"
    )
    await connection.executemany(
        "INSERT INTO plain_addresses VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, 'DE')", clear
    )
    await connection.execute("ANALYZE plain_addresses")
    await connection.close()


def _driver_url(stack: Stack, database: str, *, owner: bool = False) -> str:
    url_of = stack.places.owner_url if owner else stack.places.runtime_url
    return url_of(database).replace("postgresql+asyncpg://", "postgresql://")


@contextlib.contextmanager
def _serving(module: str, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "uvicorn", f"{module}:app", "--app-dir", str(HERE)),
        *("--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        *("--log-level", "warning"),
    ]
    process = subprocess.Popen(command, env={**os.environ, **environment})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/openapi.json")
                break
            time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _measure(url: str, requests: Path, seconds: float, connections: int) -> dict[str, float]:
    ran = subprocess.run(
        [
            *(sys.executable, str(HERE / "load.py"), url, str(requests)),
            *("--seconds", str(seconds), "--connections", str(connections)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    measured: dict[str, float] = json.loads(ran.stdout)
    return measured


def _processor_seconds(process_id: int) -> float:
    """Of a process and its children, so far."""
    process = psutil.Process(process_id)
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:2]) for member in family)


def _cost(
    url: str, processes: dict[str, int], requests: Path, asked: argparse.Namespace
) -> tuple[float, str]:
    """Reads a second, and where a read's microseconds go: they move less with what else runs."""
    before = {each: _processor_seconds(number) for each, number in processes.items()}
    rate = _measure(url, requests, asked.seconds, asked.connections)["requests_per_second"]
    costs = {
        each: (_processor_seconds(number) - before[each]) / (rate * asked.seconds) * 1e6
        for each, number in processes.items()
    }
    return rate, ", ".join(f"{each} {cost:,.0f}" for each, cost in costs.items())


def _costs(stack: Stack, plain: tuple[str, int], requests: Path, asked: argparse.Namespace) -> None:
    ours = {
        "gateway": stack.process_id("privacy-gateway"),
        "customers": stack.process_id("customers"),
    }
    theirs = {"plain": plain[1]}
    if stack.owns_postgres:
        ours["postgres"] = theirs["postgres"] = stack.process_id("postgres")
    for name, url, processes in (("gateway", stack.url, ours), ("plain", plain[0], theirs)):
        print(f"processor µs a read, {name}: {_cost(url, processes, requests, asked)[1]}")
    if asked.growth:
        growth.show(
            lambda database: _driver_url(stack, database, owner=True),
            lambda: _cost(stack.url, ours, requests, asked),
        )


def _compare(urls: dict[str, str], requests: Path, asked: argparse.Namespace) -> None:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
    for url in urls.values():
        _measure(url, requests, asked.seconds, asked.connections)  # warm
    for _ in range(asked.rounds):
        for name, url in urls.items():
            rounds[name].append(_measure(url, requests, asked.seconds, asked.connections))
    print(f"\n{'':<24}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'errors':>8}")
    median = {}
    for name, measured in rounds.items():
        median[name] = {k: statistics.median(m[k] for m in measured) for k in measured[0]}
        m = median[name]
        errors = sum(each["errors"] for each in measured)
        print(
            f"{name:<24}{m['requests_per_second']:>12,.0f}{m['p50']:>10.1f}{m['p99']:>10.1f}"
            f"{errors:>8.0f}"
        )
    gateway = median["gateway"]
    for other in ("plain", "conventional gateway"):
        ratio = gateway["requests_per_second"] / median[other]["requests_per_second"]
        tail = gateway["p99"] / median[other]["p99"]
        print(f"gateway ÷ {other:<22} {ratio:6.2f} × the requests, {tail:5.2f} × the p99")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=2000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--growth", action="store_true", help="also among up to 10⁶ others")
    asked = arguments.parse_args()
    print(f"Opening a shop with {asked.customers} customers ...", flush=True)
    with lent_stack(ROOT) as stack, tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        lines = asyncio.run(_fill(stack, asked.customers))
        file.write("\n".join(lines))
        file.flush()
        database = {"BENCH_DATABASE_URL": stack.places.admin_url}
        with (
            _serving("plain", database) as plain,
            _serving(
                "conventional",
                {
                    **database,
                    "BENCH_PLAIN_URL": plain[0],
                    "BENCH_TOKEN_KEYS": httpx.get(f"{stack.url}/.well-known/jwks.json").text,
                },
            ) as conventional,
        ):
            urls = {
                "gateway": stack.url,
                "plain": plain[0],
                "conventional gateway": conventional[0],
            }
            print(
                f"{asked.connections} in flight, {asked.rounds} rounds of {asked.seconds:g} s each"
            )
            _compare(urls, Path(file.name), asked)
            _costs(stack, plain, Path(file.name), asked)
    decision.show()


if __name__ == "__main__":
    main()
