"""What goes wrong behind the door, with planted values in it: broken services, failing databases,
a mail server and a partner that quote what they were given, processes that die."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import httpx

from privity_deploy.seed import Shop
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .canaries import Canaries
from .doors import Request
from .drive import Drive
from .second_gateway import SecondGateway

PROBLEM = "application/problem+json"
# Unique violation, value too long, serialization failure, check violation; what the row held is
# in the message and the detail, as PostgreSQL itself would say it.
SQL_STATES = ("23505", "22001", "40001", "23514")
_FAILING = """
CREATE FUNCTION {schema}.canary_failure() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'row % of %', NEW, TG_TABLE_NAME USING ERRCODE = '{state}', DETAIL = NEW::text,
    HINT = NEW::text;
END $$
"""


def broken_answers(canaries: Canaries) -> dict[str, dict[str, Any]]:
    """Ways for a service to answer, each with values that it should not have said."""
    name = canaries.of("a broken service's answer", "name")
    email = canaries.of("a broken service's answer", "email")
    word = canaries.of("a broken service's answer", "word")
    refusal = {
        "type": f"urn:privity:problem:{word}",
        "title": f"{name} is not known",
        "status": 409,
        "code": "not_possible",
        "detail": f"{email} cannot be changed for {name}",
        "errors": [
            {"field": f"/{email}", "code": f"wrong: {name}"},
            {"field": name, "code": email},
        ],
        "debug": {"row": [name, email]},
    }
    problem = {"content-type": PROBLEM}
    text = {"content-type": "text/plain"}
    trace = f'Traceback: File "x.py", line 1\nValueError: {name!r} <{email}>'
    return {
        "problem 500": {"status": 500, "headers": problem, "body": json.dumps(refusal)},
        "problem 409": {"status": 409, "headers": problem, "body": json.dumps(refusal)},
        "problem 422": {"status": 422, "headers": problem, "body": json.dumps(refusal)},
        "problem with the request": {
            "status": 422,
            "headers": problem,
            "body": '{"title": "{asked}", "detail": "{asked}", "code": "no", "errors": "{asked}"}',
        },
        "problem that is none": {"status": 404, "headers": problem, "body": f"<p>{name}"},
        "traceback 500": {"status": 500, "headers": text, "body": trace},
        "garbage": {"headers": text, "body": trace},
        "garbage said to be JSON": {"body": trace},
        "a list": {"body": json.dumps([name, {email: name}])},
        "undeclared members": {"body": json.dumps({name: email, "privacy": name, word: word})},
        "odd headers": {
            "status": 503,
            "body": json.dumps(refusal),
            "headers": {**problem, "retry-after": word, "privity-revoke": word, "x-note": email},
        },
        "odd status": {"status": 299, "headers": {"set-cookie": f"c={word}"}, "body": trace},
    }


def drive_broken(
    drive: Drive, gateway: SecondGateway, requests: Sequence[Request], *, every: bool
) -> None:
    """Each request in every way, or each way for a third of the requests."""
    for number, (way, what) in enumerate(broken_answers(drive.canaries).items()):
        share = requests if every else requests[number % 3 :: 3]
        with gateway.wrong(says=what):
            drive.at_once(
                lambda r=request, w=way: drive.ask(f"service: {w}", _of_nobody(r), at=gateway.url)
                for request in share
            )
    late = {"seconds": 3, "body": drive.canaries.of("a late answer", "name")}
    reads = [request for request in requests if request.method == "GET"][:4]
    with gateway.wrong(says=late):
        drive.at_once(
            lambda r=request: drive.ask("service: hangs", _of_nobody(r), at=gateway.url)
            for request in reads
        )


def _of_nobody(request: Request) -> Request:
    """What such an answer says is nobody's: not even a success may repeat it."""
    return replace(request, door=None)


@contextmanager
def echoing_mail(shop: Shop, mode: str) -> Iterator[None]:
    with httpx.Client(base_url=shop.mail_url, timeout=10, trust_env=False) as client:
        client.put("/behaviour", json={"mode": mode}).raise_for_status()
        try:
            yield
        finally:
            client.put("/behaviour", json={}).raise_for_status()


@asynccontextmanager
async def failing_rows(stack: Stack, databases: Sequence[str], state: str) -> AsyncIterator[None]:
    """Every row that is written to any table of these is refused, by the database itself."""
    owners = [
        await asyncpg.connect(for_driver(stack.places.owner_url(database)))
        for database in databases
    ]
    try:
        for owner in owners:
            await owner.execute(_FAILING.format(schema="public", state=state))
            tables = await owner.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            for [table] in tables:
                if table not in {"alembic_version", "jobs"}:
                    await owner.execute(
                        "CREATE TRIGGER canary_failure BEFORE INSERT OR UPDATE ON public."
                        f'"{table}" FOR EACH ROW EXECUTE FUNCTION public.canary_failure()'
                    )
        yield
    finally:
        for owner in owners:
            await owner.execute("DROP FUNCTION IF EXISTS public.canary_failure() CASCADE")
            await owner.close()


def drive_through_kills(
    drive: Drive, stack: Stack, processes: Sequence[str], requests: Sequence[Request]
) -> None:
    """Each process dies in the middle of requests, and comes back."""
    for process in processes:
        stop = threading.Event()
        shares = [(requests[at::4], f"killed: {process}") for at in range(4)]
        threads = [
            threading.Thread(target=_ask_until, args=(stop, drive, *share)) for share in shares
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        stack.kill(process)
        time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
        stack.restart(process)


def _ask_until(stop: threading.Event, drive: Drive, requests: Sequence[Request], way: str) -> None:
    for request in itertools.cycle(requests):
        if stop.is_set():
            return
        drive.ask(way, request)
