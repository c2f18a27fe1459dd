"""Builds the gateway: the only place where its parts meet.

A gap in the policy, a contract that does not fit it, or a missing setting stops the start here.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from privacy_gateway.api import (
    accesses,
    alerts,
    audit,
    audit_exports,
    audit_statistics,
    audit_stream,
    break_glass,
    budgets,
    deletions,
    directory,
    disclosures,
    events,
    grants,
    keys,
    messages,
    my_deletion,
    notice,
    partners,
    privacy,
    published,
    published_log,
    purges,
    recipients,
    retention,
    schemas,
    staff,
    support,
)
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.api.forwarding import Forwarding
from privacy_gateway.api.reception import Reception
from privacy_gateway.domain.assignees import Assignees
from privacy_gateway.domain.contracts import public
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.disclosure.record import Means
from privacy_gateway.domain.exporting.making import Making
from privacy_gateway.domain.passage import support_view
from privacy_gateway.domain.passage.consents import Consents
from privacy_gateway.domain.passage.contracts import ContractsInForce, load_documents
from privacy_gateway.domain.passage.inbound import Inbound
from privacy_gateway.domain.passage.outbound import Outbound
from privacy_gateway.domain.passage.support_view import SupportView
from privacy_gateway.domain.policy.succession import Succession
from privacy_gateway.domain.staff import file as staff_file
from privacy_gateway.domain.staff.entrance import Entrance
from privacy_gateway.domain.tokens.authenticator import Authenticator
from privacy_gateway.domain.tokens.exchange import TokenExchange
from privacy_gateway.domain.tokens.identity import Identities
from privacy_gateway.domain.tokens.introspection import Introspection
from privacy_gateway.domain.tokens.sessions import CustomerSessions
from privacy_gateway.domain.watch import metrics
from privacy_gateway.domain.watch.metrics import Figures
from privacy_gateway.domain.work import Work
from privacy_gateway.main import deletion, memory, rotation
from privacy_gateway.main.parts import Parts, build, provider_of
from privacy_gateway.settings import Settings
from privity_database import migrate
from privity_jobs import Worker
from privity_rest import logs, problems, read_secret

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def create_app(settings: Settings | None = None) -> Edge:
    """The application for uvicorn, with its outermost layer."""
    memory.keep_to_itself()
    logs.configure()
    settings = settings or Settings()  # type: ignore[call-arg]  # from the environment
    parts = build(settings)
    app = _app(parts)
    offer = Offer(
        load_documents({name: end.contract for name, end in settings.services.items()}),
        own_paths=frozenset(app.openapi()["paths"]),
    )
    app.state.public_contract = public.document(
        offer.routes,
        own=published.own(app, answers={support.PATH: support_view.schema(offer)}),
        title="Privity",
        server=settings.public_url,
    )
    contracts = app.state.contracts = ContractsInForce(offer, parts.policies)
    assignees = Assignees(parts.database, Work(parts.services, policy=lambda: parts.policy))
    inbound = Inbound(
        vault=parts.vault, audit=parts.audit, services=parts.services, assignees=assignees
    )
    outbound = Outbound(
        vault=parts.vault,
        audit=parts.audit,
        consents=Consents(parts.services),
        budgets=parts.budgets,
    )
    app.state.support_view = SupportView(
        contracts, outbound=outbound, services=parts.services, audit=parts.audit
    )
    reception = Reception(
        app,
        authenticator=Authenticator(
            signer=parts.signer,
            revocations=parts.revocations,
            service_keys={
                name: read_secret(end.outbound_key_file) for name, end in settings.services.items()
            },
        ),
        forwarding=Forwarding(
            contracts,
            inbound=inbound,
            outbound=outbound,
            services=parts.services,
            audit=parts.audit,
            sessions=CustomerSessions(parts.signer, parts.revocations),
        ),
    )
    return Edge(
        reception,
        cors=Cors(settings.cors_origins),
        https=settings.public_url.startswith("https://"),
    )


def _app(parts: Parts) -> FastAPI:
    app = FastAPI(
        title="privacy-gateway",
        version="1",
        lifespan=_lifespan(parts),
        redirect_slashes=False,  # it would copy a hostile Host header into Location
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    problems.install(app)
    for part in fields(parts):  # where the routes find them
        setattr(app.state, part.name, getattr(parts, part.name))
    app.state.means = Means(
        database=parts.database,
        policies=parts.policies,
        vault=parts.vault,
        audit=parts.audit,
        keks=parts.keks,
    )
    app.state.deletion = deletion.build(parts, app.state.means)
    entrance = Entrance(
        database=parts.database,
        passwords=parts.passwords,
        names_key=parts.vault.derived_key("staff names"),
        signer=parts.signer,
        audit=parts.audit,
        policy=lambda: parts.policy,
    )
    identities = Identities(
        signer=parts.signer,
        revocations=parts.revocations,
        database=parts.database,
        provider=provider_of(parts),
    )
    exchange = TokenExchange(
        signer=parts.signer,
        revocations=parts.revocations,
        database=parts.database,
        audit=parts.audit,
        policy=lambda: parts.policy,
        work=Work(parts.services, policy=lambda: parts.policy),
        budgets=parts.budgets,
        telling=parts.telling,
        identities=identities,
    )
    app.include_router(staff.router(entrance))
    introspection = Introspection(parts.signer, parts.revocations, policy=lambda: parts.policy)
    app.include_router(
        grants.router(exchange=exchange, introspection=introspection, signer=parts.signer)
    )
    app.include_router(privacy.router(identities))
    review = (accesses, alerts, audit, audit_exports, audit_statistics, audit_stream, published_log)
    ends = (deletions, my_deletion, purges, retention)
    own = (*review, *ends, keys, break_glass, budgets, directory, disclosures, events, messages)
    for routes in (*own, notice, partners, recipients, schemas, support):
        app.include_router(routes.router)
    return app


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """What lives as long as the process is not looked through for garbage again and again, and a
    request's own does not start a search."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def _lifespan(parts: Parts) -> Callable[[FastAPI], Any]:
    settings = parts.settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        owners = {
            "gateway": settings.migration_database_url,
            "keys": settings.keys_migration_database_url,
            "audit": settings.audit_migration_database_url,
            "journal": settings.journal_migration_database_url,
        }
        await asyncio.gather(
            *(migrate(url.get_secret_value(), MIGRATIONS / name) for name, url in owners.items())
        )
        async with AsyncExitStack() as running:
            running.push_async_callback(parts.database.dispose)
            running.push_async_callback(parts.keks.close)
            await parts.keys.start()
            running.push_async_callback(parts.keys.close)
            running.callback(parts.destruction.close)
            running.callback(parts.published_log.close)
            await parts.audit.start()
            running.push_async_callback(parts.audit.close)
            await running.enter_async_context(parts.sequenced.following())
            running.callback(parts.records.close)
            succession = Succession(parts.policies, audit=parts.audit)
            await running.enter_async_context(succession.following())
            running.callback(parts.budgets.close)
            await running.enter_async_context(parts.services)
            if settings.staff_file is not None:
                entries = staff_file.read(settings.staff_file, roles=parts.policy.staff_roles())
                await staff_file.apply(parts.database, entries, parts.passwords, clock=time.time)
            await running.enter_async_context(parts.revocations.following())
            await running.enter_async_context(parts.telling.following())
            deleting = deletion.deleting(parts, app.state.deletion)
            workers = [await running.enter_async_context(deleting)]
            documents = app.state.contracts.offer.documents
            rotating = rotation.rotating(parts, app.state, documents)
            workers.append(await running.enter_async_context(rotating))
            running.enter_context(_seldom_collected())
            await running.enter_async_context(parts.watch.following())
            making = Making(parts.database, parts.records, parts.vault)
            exporting = Worker(parts.database.engine, making.handlers(), concurrency=1)
            workers.append(await running.enter_async_context(exporting))
            await running.enter_async_context(parts.lateness.following())
            figures = Figures(parts.audit, parts.vault, parts.watch, parts.streams, parts.lateness)
            running.enter_context(metrics.serving(settings.metrics_address, figures))
            yield
            for worker in workers:
                worker.stop()  # all now, so that their graces are one and not one after the other

    return lifespan
