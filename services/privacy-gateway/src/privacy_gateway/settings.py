"""The gateway's configuration, read once. Secrets are files below `secrets_dir`."""

from pathlib import Path
from typing import Literal, Self

from email_validator import validate_email
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Endpoint(BaseModel):
    """Where a service listens and the secrets of both directions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path | None = None
    url: str | None = None
    contract: Path
    inbound_key_file: Path
    outbound_key_file: Path
    # Where its published views can be read; without it the service is always asked.
    published_url: SecretStr | None = None


class KeyPlace(BaseModel):
    """Where key-encryption keys lie: in a file below `secrets_dir`, or in a key service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["file", "aws", "google", "transit"] = "file"
    key: str = ""
    url: str | None = None
    region: str = ""
    mount: str = "transit"
    token_file: Path | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed: dict[str, tuple[object, ...]] = {
            "file": (),
            "aws": (self.key, self.region),
            "google": (self.key,),
            "transit": (self.key, self.url, self.token_file),
        }
        if not all(needed[self.kind]):
            raise ValueError(f"{self.kind} needs more to find its key")
        return self


class KeySettings(BaseSettings):
    """What the commands that look after keys need to know; the gateway has the same."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr
    keys_database_url: SecretStr
    secrets_dir: Path
    # The first one wraps data keys, the others still unwrap; see docs/keys.md.
    key_encryption: tuple[KeyPlace, ...] = (KeyPlace(),)


class Settings(KeySettings):
    migration_database_url: SecretStr
    keys_migration_database_url: SecretStr
    audit_database_url: SecretStr
    audit_migration_database_url: SecretStr
    # What was deleted. Apart from everything that a backup holds.
    journal_database_url: SecretStr
    journal_migration_database_url: SecretStr
    # On a disk that does not share the fate of the databases: batches wait here for a witness.
    spool_dir: Path
    # How long they are kept after a witness has seen them (a gigabyte at most), for a database that
    # is restored to before. And how long a record may wait for the log before nothing new is given
    # out.
    spool_keep_seconds: float = 900
    audit_log_behind_seconds: float = 30
    policy_dir: Path
    public_url: str
    services: dict[str, Endpoint]
    smtp_host: str
    smtp_port: int
    smtp_require_tls: bool
    # TLS from the first byte (RFC 8314), as on port 465, in place of STARTTLS.
    smtp_implicit_tls: bool = False
    # Who we are to the mail server; the password is the file `smtp-password` among the secrets.
    smtp_username: str | None = None
    # Whose certificates are good, where they are not the machine's own.
    smtp_ca_file: Path | None = None
    mail_sender: str
    # Who is told at once when somebody breaks the glass: a mailbox that is read.
    data_protection_mail: str
    # Private addresses that deliveries may reach all the same, as exact `ip:port`.
    allowed_delivery_addresses: str = ""
    cors_origins: tuple[str, ...] = ()
    staff_file: Path | None = None
    # What the watch over the records takes for unusual, where it is not what is built in.
    watch_file: Path | None = None
    # Where Prometheus reads figures, as `ip:port`: an address that the world does not reach.
    metrics_address: str | None = None
    # The company's identity provider, if staff sign in there: its issuer, our client id with it,
    # the claim that names somebody's groups; and addresses beyond the public internet where it may
    # be, as exact `ip:port`.
    openid_issuer: str | None = None
    openid_audience: str | None = None
    openid_groups_claim: str = "groups"
    openid_allowed_addresses: str = ""

    @field_validator("data_protection_mail")
    @classmethod
    def _is_a_mailbox(cls, text: str) -> str:
        return validate_email(text, check_deliverability=False).ascii_email or text

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if (self.openid_issuer is None) != (self.openid_audience is None):
            raise ValueError("an identity provider needs both its issuer and our audience")
        if self.openid_issuer is not None and self.staff_file is None:
            raise ValueError("who works here is what the staff file says of the provider's groups")
        return self

    @model_validator(mode="after")
    def _customers_stand_behind(self) -> Self:
        if "customers" not in self.services:
            raise ValueError("the customers service is not configured; nobody could sign in")
        return self
