"""Wires the processes together, each on its own."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from audit_log.api import signing, witnessing
from audit_log.domain.cosigning import Witness
from audit_log.domain.heads import Heads
from audit_log.domain.keys import log_key, read_signer
from audit_log.domain.signing import Signer
from audit_log.settings import SignerSettings, WitnessSettings
from privity_rest import logs, service
from privity_transparency.note import COSIGNATURE, ED25519

_log = structlog.get_logger("privity.audit_log")
Clock = Callable[[], int]


def system_clock() -> int:
    """Seconds since 1970."""
    return int(time.time())


def create_signer(settings: SignerSettings | None = None) -> FastAPI:
    given = settings or SignerSettings()  # type: ignore[call-arg]  # from the environment

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        heads = Heads(given.heads_file)
        try:
            key = read_signer(given.key_file, name=given.origin, kind=ED25519)
            app.state.signer = Signer(key, heads)
            _log.info("signs", verifier_key=str(key.verifier))
            yield
        finally:
            heads.close()

    app = service(title="audit-signer", inbound_key_file=given.inbound_key_file, lifespan=lifespan)
    app.include_router(signing.router)
    return app


def create_witness(
    settings: WitnessSettings | None = None, *, clock: Clock = system_clock
) -> FastAPI:
    given = settings or WitnessSettings()  # type: ignore[call-arg]  # from the environment
    logs.configure()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        heads = Heads(given.heads_file)
        try:
            key = read_signer(given.key_file, name=given.name, kind=COSIGNATURE)
            known = {
                origin: [log_key(each, origin=origin) for each in keys]
                for origin, keys in given.logs.items()
            }
            app.state.witness = Witness(key, heads, known)
            app.state.clock = clock
            _log.info("cosigns", verifier_key=str(key.verifier))
            yield
        finally:
            heads.close()

    app = FastAPI(
        title="audit-witness",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.include_router(witnessing.router)
    return app
