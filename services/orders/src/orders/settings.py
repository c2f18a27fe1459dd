"""Configuration, from the environment; read once, in `create_app`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ORDERS_", frozen=True, hide_input_in_errors=True)

    database_url: SecretStr
    migration_database_url: SecretStr
    inbound_key_file: Path
    outbound_key_file: Path
    gateway_url: str

    # No default: a shop that takes the sandbox's money must have said so.
    payment_provider: Literal["sandbox", "stripe"]
    stripe_url: str | None = None
    stripe_key_file: Path | None = None
    payment_return_url: str | None = Field(default=None, pattern=r"^https://")
    """Where the provider sends a customer back to after a challenge."""

    payment_timeout_seconds: float = 8
    recover_payment_after_seconds: float = 30
    """When the durable job asks for a payment whose request died; longer than the timeout."""
    pay_within_seconds: float = 1800

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("stripe_url", "stripe_key_file", "payment_return_url")
        missing = [name for name in needed if getattr(self, name) is None]
        if self.payment_provider == "stripe" and missing:
            raise ValueError(f"stripe needs {', '.join(missing)}")
        if self.recover_payment_after_seconds <= self.payment_timeout_seconds:
            raise ValueError("a payment is recovered after its timeout, not before")
        return self
