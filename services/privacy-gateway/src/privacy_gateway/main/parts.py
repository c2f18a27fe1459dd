"""What lives as long as the process."""

import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from privacy_gateway.clients.endpoints import AllowedAddresses
from privacy_gateway.clients.mail import Mail, MailServer, Sender
from privacy_gateway.clients.services import Services
from privacy_gateway.clients.webhooks import Webhooks
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.published import PublishedLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.sequenced import Sequenced
from privacy_gateway.domain.audit.stream import Streams
from privacy_gateway.domain.audit.tail import Tail
from privacy_gateway.domain.break_glass.telling import Telling
from privacy_gateway.domain.budget.spending import Budgets
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.retention.lateness import Lateness
from privacy_gateway.domain.staff import file as staff_file
from privacy_gateway.domain.staff.passwords import Passwords
from privacy_gateway.domain.tokens.id_token import IdTokens
from privacy_gateway.domain.tokens.jose import TokenSigner
from privacy_gateway.domain.tokens.provider_staff import ProviderStaff
from privacy_gateway.domain.tokens.revocation import Revocations
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.destruction import Destruction
from privacy_gateway.domain.vault.kek import KeyEncryption
from privacy_gateway.domain.vault.key_places import key_encryption
from privacy_gateway.domain.vault.process_key import ProcessKey
from privacy_gateway.domain.vault.rings import Rings
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.domain.watch import rules
from privacy_gateway.domain.watch.watch import Watch
from privacy_gateway.settings import Settings
from privity_database import Database
from privity_rest import read_secret


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    policies: PolicyInForce
    database: Database
    keys: DataKeys
    destruction: Destruction
    vault: Vault
    audit: AuditLog
    sequenced: Sequenced
    published_log: PublishedLog
    records: Records
    streams: Streams
    watch: Watch
    lateness: Lateness
    keks: KeyEncryption
    webhooks: Webhooks
    mail: Mail
    services: Services
    signer: TokenSigner
    revocations: Revocations
    budgets: Budgets
    telling: Telling
    passwords: Passwords

    @property
    def policy(self) -> Policy:
        return self.policies.current


def build(settings: Settings) -> Parts:
    secrets = settings.secrets_dir
    keks = key_encryption(settings.key_encryption, secrets_dir=secrets)
    keys_url = settings.keys_database_url.get_secret_value()
    local = all(place.kind == "file" for place in settings.key_encryption)
    rings = Rings(keks)
    first_index_key = _first_index_key(secrets / "blind-index")
    keys = DataKeys(keys_url, keks, deadline_seconds=0.6 if local else 1.5, rings=rings)
    vault = Vault(
        keys,
        index_key=first_index_key or os.urandom(32),  # until the ring is read, at the start
        request_key=bytes.fromhex(read_secret(secrets / "requests")),
    )
    process_key = ProcessKey(read_secret(secrets / "audit-identity.pem"), now=datetime.now(UTC))
    pem = read_secret(secrets / "token-signing.pem")
    signer = TokenSigner(pem, issuer=settings.public_url)
    rings.use(
        "token_signing",
        lambda keys: signer.use_keys([key.material for key in keys]),
        seed=pem.encode(),
    )
    rings.use("blind_index", vault.use_index_keys, seed=first_index_key)
    database_url = settings.database_url.get_secret_value()
    audit_url = settings.audit_database_url.get_secret_value()
    database = Database(database_url, application_name="privacy-gateway")
    mail = Mail(mail_server(settings), sender=Sender.parse(settings.mail_sender))
    records = Records(audit_url, vault)
    chain = Chain(process_key, settings.spool_dir)
    sequenced = Sequenced(
        audit_url,
        chain,
        behind_after_seconds=settings.audit_log_behind_seconds,
        keep_seconds=settings.spool_keep_seconds,
    )
    policies = PolicyInForce(settings.policy_dir)
    return Parts(
        settings=settings,
        policies=policies,
        database=database,
        keys=keys,
        destruction=Destruction(keys_url),
        vault=vault,
        audit=AuditLog(audit_url, vault, chain, sequenced=sequenced),
        sequenced=sequenced,
        published_log=PublishedLog(audit_url),
        records=records,
        streams=Streams(Tail(records)),
        watch=Watch(database, records, vault, rules.read(settings.watch_file or rules.FILE)),
        lateness=Lateness(database, policies),
        keks=keks,
        webhooks=Webhooks(allowed=AllowedAddresses.read(settings.allowed_delivery_addresses)),
        mail=mail,
        services=Services(settings.services),
        signer=signer,
        revocations=Revocations(database, database_url),
        budgets=Budgets(database_url, vault),
        telling=Telling(database, mail, to=settings.data_protection_mail),
        passwords=Passwords(mark_key=vault.derived_key("marks of passwords")),
    )


def mail_server(settings: Settings) -> MailServer:
    authority = settings.smtp_ca_file
    password_file = settings.secrets_dir / "smtp-password"
    has_name = settings.smtp_username is not None
    return MailServer(
        settings.smtp_host,
        settings.smtp_port,
        require_tls=settings.smtp_require_tls,
        implicit_tls=settings.smtp_implicit_tls,
        username=settings.smtp_username,
        password=read_secret(password_file, shortest=1) if has_name else None,
        certificates=ssl.create_default_context(cafile=authority) if authority else None,
    )


def _first_index_key(path: Path) -> bytes | None:
    """The file goes with the first rotation, when every index was made by another key."""
    return bytes.fromhex(read_secret(path)) if path.exists() else None


def provider_of(parts: Parts) -> ProviderStaff | None:
    settings = parts.settings
    issuer, audience, path = settings.openid_issuer, settings.openid_audience, settings.staff_file
    if issuer is None or audience is None or path is None:
        return None
    return ProviderStaff(
        IdTokens.at(
            issuer,
            audience=audience,
            groups_claim=settings.openid_groups_claim,
            allowed=AllowedAddresses.read(settings.openid_allowed_addresses),
        ),
        groups=staff_file.read_groups(path, roles=parts.policy.staff_roles()),
        revocations=parts.revocations,
        database=parts.database,
        audit=parts.audit,
        policy=lambda: parts.policy,
        clock=time.time,
    )
