"""Wires the processes together, each on its own."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI

from audit_log.api import sequencing, signing, witnessing
from audit_log.clients.signer import SignerClient
from audit_log.clients.witness import WitnessClient
from audit_log.domain.cosigning import Witness
from audit_log.domain.heads import Heads
from audit_log.domain.keys import log_key, read_publics, read_signer
from audit_log.domain.sequencing import heads as log_heads
from audit_log.domain.sequencing.order import Order
from audit_log.domain.sequencing.sequencer import Sequencer
from audit_log.domain.signing import Signer
from audit_log.settings import SequencerSettings, SignerSettings, WitnessSettings
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


def create_sequencer(settings: SequencerSettings | None = None) -> FastAPI:
    given = settings or SequencerSettings()  # type: ignore[call-arg]  # from the environment
    logs.configure()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        signer = SignerClient(given.signer_socket, outbound_key_file=given.signer_key_file)
        witness = WitnessClient(given.witness_url) if given.witness_url else None
        witness_key = None
        if given.witness_key is not None and given.witness_name is not None:
            witness_key = log_key(given.witness_key, origin=given.witness_name, kind=COSIGNATURE)
        sequencer = app.state.sequencer = Sequencer(
            given.database_url.get_secret_value(),
            name=given.name,
            identities=read_publics(given.identity_file),
            order=Order(given.order_file),
            heads=log_heads.Heads(
                signer,
                log_key=log_key(given.log_key, origin=given.origin),
                witness=witness,
                witness_key=witness_key,
            ),
        )
        async with AsyncExitStack() as running:
            running.push_async_callback(signer.aclose)
            if witness is not None:
                running.push_async_callback(witness.aclose)
            await running.enter_async_context(sequencer.running())
            yield

    app = FastAPI(
        title="audit-sequencer",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.include_router(sequencing.router)
    return app
