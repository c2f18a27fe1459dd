"""Two gateways as real processes on one set of databases: what ends at one ends at the other."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time

import httpx
import pytest

from .conftest import HERE, SERVICES, STAFF, Gateway, bearer


@pytest.fixture(scope="module")
def environment(databases, secrets_dir, staff_file, house, mail_sink, tmp_path_factory, gateway):
    """As a process is told; `gateway` has brought the databases up to date and made the keys."""
    folder = tmp_path_factory.mktemp("processes")
    services = {}
    for name in SERVICES:
        end = house.endpoint(name)
        contract = json.loads(end.contract.read_bytes())
        if name == "orders":
            # One customer's data, for a purpose that needs a consent: none is offered today.
            read = contract["paths"]["/v1/orders/{order_id}/delivery"]["get"]["x-privity"]
            read["purposes"].append("newsletter")
        path = folder / f"{name}.json"
        path.write_text(json.dumps(contract))
        services[name] = {
            "socket": str(end.socket),
            "contract": str(path),
            "inbound_key_file": str(end.inbound_key_file),
            "outbound_key_file": str(end.outbound_key_file),
        }
    said = {
        "SECRETS_DIR": str(secrets_dir),
        "SPOOL_DIR": str(folder / "spool"),
        "AUDIT_LOG_BEHIND_SECONDS": "100000",  # nothing puts records in order here
        "POLICY_DIR": str(HERE / "policy"),
        "PUBLIC_URL": "http://gateway.example",
        "SERVICES": json.dumps(services),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_sink.port),
        "SMTP_REQUIRE_TLS": "false",
        "MAIL_SENDER": "shop@example.org",
        "DATA_PROTECTION_MAIL": "privacy@shop.example",
        "STAFF_FILE": str(staff_file(STAFF, {})),
    }
    for name, urls in databases.items():
        said[f"{name}database_url".upper()] = urls.runtime
        said[f"{name}migration_database_url".upper()] = urls.owner
    return os.environ | {f"GATEWAY_{name}": value for name, value in said.items()}


@contextlib.asynccontextmanager
async def running(environment):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "privacy_gateway.main:create_app", "--factory"),
        *("--port", str(port), "--loop", "uvloop", "--http", "privacy_gateway.api.wire:Wire"),
        "--no-access-log",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
            async with asyncio.timeout(60):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get("/healthz")).is_success:
                            break
                    assert process.returncode is None, "the gateway did not start"
                    await asyncio.sleep(0.1)
            yield Gateway(client)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@pytest.fixture(scope="module")
async def processes(environment):
    async with running(environment) as one, running(environment) as other:
        yield one, other


async def refused_within(gateway, path, headers, *, seconds=2.0):
    """The status of the refusal."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await gateway.get(path, headers)
            if answer.status_code != 200:
                return answer.status_code
            await asyncio.sleep(0.02)


async def test_a_closed_case_stops_the_next_read_at_both(processes, an_order):
    one, other = processes
    kim = (await one.sign_in("kim"))["staff_id"]
    order = await an_order(assignee=kim)
    grant = await one.grant("kim", "enquiries", f"case/{order.case}")
    for process in processes:
        assert (await process.get(order.path, grant)).status_code == 200

    assert (await other.tell("case.closed", case_id=order.case)).status_code == 202

    assert (await other.get(order.path, grant)).status_code == 401  # the next, not the one after
    assert await refused_within(one, order.path, grant) == 401


async def test_a_grant_given_back_stops_the_next_read_at_both(processes, an_order):
    one, other = processes
    order = await an_order(assignee=None)
    grant = await one.grant("kim", "warehousing", f"order/{order.id}")
    token = grant["Authorization"].removeprefix("Bearer ")
    for process in processes:
        assert (await process.get(order.path, grant)).status_code == 200

    await one.client.post("/v1/token/revocation", data={"token": token})

    assert (await one.get(order.path, grant)).status_code == 401
    assert await refused_within(other, order.path, grant) == 401


async def test_a_role_that_was_taken_away_stops_the_next_read_at_both(processes, an_order):
    one, other = processes
    signed_in = await one.sign_in("leaving")
    order = await an_order(assignee=None)
    granted = await one.exchange(signed_in["identity_token"], "warehousing", f"order/{order.id}")
    grant = bearer(granted.json()["access_token"])
    for process in processes:
        assert (await process.get(order.path, grant)).status_code == 200
    desk = await other.grant("owner", "staff_administration", "shop")

    path = f"/v1/staff/{signed_in['staff_id']}/roles"
    answer = await other.client.put(path, headers=desk, json={"roles": ["support_1"]})

    assert answer.json()["roles"] == ["support_1"]
    for process in processes:
        assert await refused_within(process, order.path, grant) == 401


async def test_a_consent_that_was_withdrawn_stops_the_next_read_at_both(processes, an_order, house):
    one, _ = processes
    order = await an_order(assignee=None)
    grant = await one.grant("owner", "newsletter", "shop")

    def consent(given):
        state = {"given": given, "version": "2026-11-22", "at": "2026-11-22T12:00:00Z"}
        path = f"/v1/consents/{order.subject}/state"
        house.says("customers", path, {"marketing": state})

    consent(True)
    for process in processes:
        assert (await process.get(order.path, grant)).status_code == 200

    consent(False)

    for process in processes:
        answer = await process.get(order.path, grant)
        assert (answer.status_code, answer.json()["code"]) == (403, "consent_missing")
        assert "Anna" not in answer.text


async def test_an_emergency_that_was_none_stops_the_next_read_at_both(processes, an_order):
    one, other = processes
    detail = {"reason": "system_failure", "ticket": "INC-1"}
    granted = (await one.ask("engineer", "break_glass", **detail)).json()
    order = await an_order(assignee=None)
    grant = bearer(granted["access_token"])
    for process in processes:
        assert (await process.get(order.path, grant)).status_code == 200
    officer = await other.grant("officer", "access_oversight", "shop")
    [said] = granted["authorization_details"]

    path = f"/v1/{said['work']}/review"
    assert (await other.post(path, officer, {"outcome": "not_justified"})).is_success

    assert (await other.get(order.path, grant)).status_code == 401
    assert await refused_within(one, order.path, grant) == 401


async def test_both_count_into_one_budget(processes, an_order):
    detail = {"reason": "system_failure", "ticket": "INC-1"}
    granted = (await processes[0].ask("spending", "break_glass", **detail)).json()
    [said] = granted["authorization_details"]
    assert said["budget"] == {"allowed": 25, "spent": 0}
    grant = bearer(granted["access_token"])
    orders = [await an_order(assignee=None) for _ in range(40)]

    answers = await asyncio.gather(
        *(processes[n % 2].get(order.path, grant) for n, order in enumerate(orders))
    )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (25, 15)


async def test_who_asks_at_both_at_once_while_a_case_closes_keeps_nothing(
    processes, an_order, house
):
    """Grants are asked for in both processes until the case is closed; none of them survives."""
    lee = await processes[0].sign_in("lee")
    order = await an_order(assignee=lee["staff_id"])
    grants = []

    async def keep_asking(process):
        while True:
            answer = await process.exchange(
                lee["identity_token"], "enquiries", f"case/{order.case}"
            )
            if answer.status_code != 200:
                return
            grants.append(bearer(answer.json()["access_token"]))

    asking = [asyncio.create_task(keep_asking(process)) for process in processes]
    async with asyncio.timeout(20):
        while len(grants) < 6:  # noqa: ASYNC110  # they tell nobody
            await asyncio.sleep(0.01)
        closed_at = time.time()
        house.says(
            "customers",
            f"/v1/cases/{order.case}/work",
            {
                "id": order.case,
                "state": "closed",
                "subject_id": order.subject,
                "order_id": order.id,
                "assignee": lee["staff_id"],
            },
        )
        await asyncio.gather(*asking)
    await processes[0].tell("case.closed", at=closed_at, case_id=order.case)

    for grant in grants:
        for process in processes:
            assert await refused_within(process, order.path, grant) == 401
