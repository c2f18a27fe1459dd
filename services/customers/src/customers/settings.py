"""What differs between one place where this service runs and another."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
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

    # Whom a consent's receipt names as the one who answers for the data.
    controller_name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    controller_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$")]
    controller_country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

    # RFC 9106's second choice, with one lane: the threads are better spent on several customers.
    # The floor is OWASP's smallest recommendation; a place can ask for more, never for less.
    argon2_memory_kib: int = Field(default=65536, ge=19456)
    argon2_passes: int = Field(default=3, ge=2)
    argon2_threads: int = Field(default=2, ge=1)
