"""What differs between one place where these processes run and another."""

from pathlib import Path

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
