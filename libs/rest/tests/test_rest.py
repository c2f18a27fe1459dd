"""A service answers the gateway alone, and its problem documents repeat nothing that was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI

from privity_contracts import OPERATIONAL, Category, Contract, Secret
from privity_rest import AnyCaller, Caller, Conflict, Customer, service

KEY = "k" * 64


class SignIn(Contract):
    attempts: Annotated[int, OPERATIONAL]
    password: Annotated[Secret, Category("user.authorization.password")]


class AlreadyShipped(Conflict):
    code = "already_shipped"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    key = tmp_path / "to_sample"
    key.write_text(KEY)
    key.chmod(0o600)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = service(title="sample", inbound_key_file=key, lifespan=lifespan)

    @app.post("/v1/sign-ins")
    async def sign_in(body: SignIn) -> dict[str, int]:
        return {"attempts": body.attempts}

    @app.get("/v1/bug")
    async def bug() -> None:
        raise RuntimeError("alice@example.org")

    @app.get("/v1/refusal")
    async def refusal() -> None:
        raise AlreadyShipped("order ord_1 has shipped")

    @app.get("/v1/me")
    async def me(caller: Customer) -> dict[str, str | None]:
        return {"subject": caller.subject}

    @app.get("/v1/site")
    async def site(caller: AnyCaller) -> list[str]:
        return sorted(caller.sites)

    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {KEY}", "Request-Id": "req_test"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sample", headers=headers
    ) as client:
        yield client


async def test_without_the_gateways_secret_nothing_answers(api: httpx.AsyncClient) -> None:
    for presented in ("", "Bearer ", f"Bearer {KEY}x", KEY):
        answer = await api.get("/v1/bug", headers={"Authorization": presented})

        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


async def test_health_needs_no_secret(api: httpx.AsyncClient) -> None:
    assert (await api.get("/healthz", headers={"Authorization": ""})).status_code == 200


async def test_a_bug_is_a_problem_document_without_its_message(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/bug")

    assert answer.status_code == 500
    assert answer.json()["instance"] == "req_test"
    assert "alice" not in answer.text


async def test_invalid_members_are_named_and_not_repeated(api: httpx.AsyncClient) -> None:
    body = {"attempts": "alice@example.org", "password": "", "nick_name": 1, "Bob 030123456": 2}

    answer = await api.post("/v1/sign-ins", json=body)

    assert answer.status_code == 422
    errors = {(e["field"], e["code"]) for e in answer.json()["errors"]}
    assert ("/nick_name", "unknown_field") in errors
    assert ("/…", "unknown_field") in errors
    assert ("/attempts", "int_parsing") in errors
    assert "alice" not in answer.text
    assert "Bob" not in answer.text


async def test_numbers_that_json_does_not_know_are_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/sign-ins",
        content=b'{"attempts": NaN, "password": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 422


async def test_a_refusal_keeps_its_code(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/refusal")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_shipped")
    assert answer.json()["detail"] == "order ord_1 has shipped"


async def test_an_unknown_path_is_a_problem_document(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/nothing")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_caller_is_who_the_gateway_says(api: httpx.AsyncClient) -> None:
    customer = {"Privity-Caller": "customer", "Privity-Actor": "cus_1", "Privity-Subject": "cus_1"}
    staff = {"Privity-Caller": "staff", "Privity-Actor": "stf_1", "Privity-Work": "site/north"}

    assert (await api.get("/v1/me", headers=customer)).json() == {"subject": "cus_1"}
    assert (await api.get("/v1/me", headers=staff)).status_code == 403
    assert (await api.get("/v1/me")).status_code == 401
    assert (await api.get("/v1/site", headers=staff)).json() == ["north"]


def test_a_caller_names_what_their_work_covers() -> None:
    def at(scopes: frozenset[str] | None) -> Caller:
        return Caller("staff", "stf_1", "support", "enquiries", work_scopes=scopes)

    assert at(frozenset({"order/ord_1", "case/cas_1"})).covered("order") == {"ord_1"}
    assert at(frozenset({"case/cas_1"})).covered("order") == frozenset()
    assert at(None).covered("order") is None


def test_a_secret_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    key = tmp_path / "to_sample"
    key.write_text(KEY)
    key.chmod(0o644)

    with pytest.raises(ValueError, match="mode 600"):
        service(title="sample", inbound_key_file=key, lifespan=None)  # type: ignore[arg-type]
