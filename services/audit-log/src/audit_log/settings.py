"""What differs between one place where these processes run and another."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SignerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="AUDIT_SIGNER_", frozen=True)

    origin: str
    """The log's name, for good: `shop.example/audit`."""
    key_file: Path
    """Ed25519, PEM."""
    heads_file: Path
    """What was signed last. Made with the key, empty; without it the signer does not start."""
    inbound_key_file: Path


class WitnessSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="AUDIT_WITNESS_", frozen=True)

    name: str
    """As it stands in cosignatures: `witness.example/w1`."""
    key_file: Path
    heads_file: Path
    logs: dict[str, tuple[str, ...]]
    """By origin: the logs' verifier keys, or the files (PEM) of public keys named like the log."""


class SequencerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="AUDIT_SEQUENCER_", frozen=True)

    name: str
    """Of this one among several that stand by for each other."""
    database_url: SecretStr
    identity_file: Path
    """The public half of the gateway's audit identity, PEM; two while one takes over."""
    order_file: Path
    """The order of the log, on a disk that does not share the database's fate."""
    origin: str
    log_key: str
    """The log's verifier key, or the file of its public key."""
    signer_socket: Path
    signer_key_file: Path
    """What the signer wants to see from whoever asks it."""
    witness_url: str | None = None
    witness_name: str | None = None
    witness_key: str | None = None
    """Its verifier key, or the file of its public key."""
