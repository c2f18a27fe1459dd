"""A person of whom three services hold something, and a gateway's means to delete them."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from privacy_gateway.clients.endpoints import AllowedAddresses
from privacy_gateway.clients.line import for_driver
from privacy_gateway.clients.mail import Mail, MailServer, Sender
from privacy_gateway.clients.webhooks import Webhooks
from privacy_gateway.domain.deletion.journal import Journal
from privacy_gateway.domain.deletion.means import Means
from privacy_gateway.domain.deletion.receipt import Receipts
from privacy_gateway.domain.deletion.telling import Telling
from privacy_gateway.domain.disclosure.record import Means as Disclosing
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.domain.vault.destruction import Destruction
from privacy_gateway.domain.vault.inventory import Inventory
from privacy_gateway.models import Agreement, Recipient
from privity_contracts import Sealed, ids
from privity_contracts.holdings import Holding
from privity_database import Database, migrate

from ..conftest import MIGRATIONS  # noqa: TID252  # tests have no package of that name
from ..disclosure.conftest import mail_sink  # noqa: TID252  # likewise

POLICY = Path(__file__).parents[2] / "policy"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLASSES = {
    "user.name": "identity",
    "user.contact.email": "identity",
    "user.contact.address.street": "delivery",
    "user.content.private": "case",
}


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def ahead(self, **time):
        self.now += timedelta(**time)


@dataclass
class Town:
    """What the services hold, as they would: by person and scope; drops follow the classes."""

    held: dict[tuple[str, str], Holding] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    dropped: list[tuple[str, frozenset[str]]] = field(default_factory=list)

    async def of(self, subject_id):
        return [held for (subject, _), held in sorted(self.held.items()) if subject == subject_id]

    async def drop(self, subject_id, scope, classes):
        self.dropped.append((scope, frozenset(classes)))
        held = self.held.get((subject_id, scope))
        if held is None:
            return 0
        left = {c: names for c, names in held.fields.items() if self.classes[c] not in classes}
        sealed = [token for token in held.sealed if self.classes[token.split(":")[2]] in left]
        if left == held.fields:
            return 0
        if left:
            kept = [t for t in held.sealed if t.split(":")[2] in left]
            self.held[subject_id, scope] = held.model_copy(
                update={"fields": left, "sealed": kept or sealed}
            )
        else:
            del self.held[subject_id, scope]
        return 1


@pytest.fixture(scope="package")
def journal_database(make_database):
    urls = make_database("journal", grants="insert_select")
    asyncio.run(migrate(urls.owner, MIGRATIONS / "journal"))
    return urls


@pytest.fixture(scope="package")
def receipt_key():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def policies():
    return PolicyInForce(POLICY)


@pytest.fixture
def town(policies):
    categories = policies.current.file.categories
    return Town(classes={name: rule.retention_class for name, rule in categories.items()})


class Mailboxes:
    """Where the customers service says that people are written to."""

    def __init__(self, town):
        self._town = town

    async def of(self, subject_id):
        held = self._town.held.get((subject_id, f"account/{subject_id}"))
        tokens = [] if held is None else [t for t in held.sealed if ":user.contact.email:" in t]
        return Sealed(tokens[0]) if tokens else None


async def mail_provider(database, port, now):
    """Whoever runs the mail server at this port, with an agreement."""
    provider, marked = ids.mint("rcp"), ids.mint("rcp").encode()
    async with database.transaction() as tx:
        tx.add(
            Recipient(
                id=provider,
                name="Example Mail",
                kind="mail",
                endpoint=f"smtp://127.0.0.1:{port}",
                status="active",
                created_at=now,
                request_key=marked,
                request_fingerprint=marked,
            )
        )
        await tx.flush()
        tx.add(
            Agreement(
                id=ids.mint("agr"),
                recipient_id=provider,
                document_sha256="00" * 32,
                signed_on=now.date(),
                valid_from=now.date(),
                valid_until=now.date() + timedelta(days=4000),
                purposes=["account_opening"],
                categories=["user.contact.email", "user.authorization.code"],
                days_until_purge=30,
                recorded_at=now,
            )
        )


@pytest.fixture
async def means(
    *,
    gateway_database,
    keys_database,
    journal_database,
    vault,
    log,
    key_file,
    receipt_key,
    town,
    clock,
    policies,
    mail_sink,
):
    database = Database(gateway_database.runtime)
    inventory, destruction = Inventory(keys_database.runtime), Destruction(keys_database.runtime)
    journal = Journal(journal_database.runtime, b"j" * 32)

    async def destroy(place, now):
        await destruction.destroy(
            subject=place.subject,
            scope=place.scope,
            retention_class=place.retention_class,
            now=now,
        )

    await mail_provider(database, mail_sink.port, clock())
    server = MailServer("127.0.0.1", mail_sink.port, require_tls=False)
    mail = Mail(server, sender=Sender.parse("The Shop <post@shop.example>"), total_seconds=4)
    disclosing = Disclosing(database, policies, vault, log, key_file)

    yield Means(
        database=database,
        policies=policies,
        vault=vault,
        audit=log,
        journal=journal,
        inventory=inventory,
        holdings=town,
        destroy=destroy,
        revocations=Revocations(database, gateway_database.runtime),
        receipts=Receipts(receipt_key, issuer="http://gateway.example"),
        telling=Telling(disclosing, mail, Mailboxes(town)),
        webhooks=Webhooks(allowed=AllowedAddresses.read("")),
        keks=key_file,
        clock=clock,
    )
    for part in (journal, inventory, destruction):
        part.close()
    await database.dispose()


@dataclass
class Person:
    id: str
    order: str
    case: str
    sealed: list[str]

    @property
    def account(self):
        return f"account/{self.id}"


@pytest.fixture
def a_person(vault, town):
    """Somebody with an account, an order and a case."""

    async def make(*, country="DE", in_progress=None):
        person = Person(ids.mint("cus"), f"order/{ids.mint('ord')}", f"case/{ids.mint('cas')}", [])

        async def hold(scope, values, plain, **more):
            sealed = await vault.seal(person.id, scope, values, classes=CLASSES)
            person.sealed += sealed
            fields = {c: list(names) for c, names in plain.items()}
            for (category, _), token in zip(values, sealed, strict=True):
                fields.setdefault(category, []).append(token[-4:])
            town.held[person.id, scope] = Holding(scope=scope, fields=fields, sealed=sealed, **more)

        names = [("user.name", "Ada"), ("user.contact.email", "ada@example.org")]
        await hold(
            person.account,
            [*names, ("user.contact.address.street", "Weg 1")],
            {"user.authorization.password": ["password"], "user.privacy_preferences": ["c"]},
        )
        await hold(
            person.order,
            [("user.name", "Ada"), ("user.contact.address.street", "Weg 1")],
            {"user.behavior.purchase_history": ["total"], "user.payment": ["token"]},
            country=country,
            in_progress=in_progress,
        )
        await hold(
            person.case, [("user.content.private", "Where is it?")], {"user.behavior": ["k"]}
        )
        await vault.tag(person.id, "2026-11", person.id)
        return person

    return make


@pytest.fixture
def opens(vault, keys_database):
    """How many of these sealed values any key still opens, asked of the database itself."""

    async def count(person):
        connection = await asyncpg.connect(for_driver(keys_database.owner))
        try:
            live = await connection.fetch(
                "SELECT key_id FROM data_keys WHERE subject = $1 AND destroyed_at IS NULL",
                person.id,
            )
        finally:
            await connection.close()
        known = {row["key_id"] for row in live}
        return sum(token[3:33] in known for token in person.sealed)

    return count


async def all_of(means, statement, **values):
    async with means.database.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(statement), values)]


__all__ = ["NOW", "Clock", "Means", "all_of", "mail_sink", "replace"]
