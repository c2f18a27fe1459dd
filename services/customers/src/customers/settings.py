"""What differs between one place where this service runs and another."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CUSTOMERS_", frozen=True)

    database_url: SecretStr
    migration_database_url: SecretStr
    inbound_key_file: Path
    outbound_key_file: Path
    gateway_url: str

    code_key_file: Path
    """Keys the one-time codes. Not in the database, so that a dump of it yields no code."""

    # RFC 9106's second choice, with one lane: the threads are better spent on several customers.
    # The floor is OWASP's smallest recommendation; a place can ask for more, never for less.
    argon2_memory_kib: int = Field(default=65536, ge=19456)
    argon2_passes: int = Field(default=3, ge=2)
    argon2_threads: int = Field(default=2, ge=1)
