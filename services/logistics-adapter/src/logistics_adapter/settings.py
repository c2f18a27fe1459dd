"""What differs between one place where this service runs and another."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOGISTICS_", frozen=True)

    database_url: SecretStr
    migration_database_url: SecretStr
    inbound_key_file: Path
    outbound_key_file: Path
    gateway_url: str

    standard_parcel_grams: int = Field(default=1000, ge=1, le=1_000_000)
    """What a parcel is said to weigh when its order does not say."""

    # A partner that does not answer is tried again for about a day, then the shipment is blocked.
    retry_first_seconds: float = Field(default=1, gt=0)
    retry_cap_seconds: float = Field(default=300, gt=0)
    retry_attempts: int = Field(default=300, ge=1)
    job_lease_seconds: float = Field(default=4, ge=0.5)
    """How long a dispatch rests when the process that was at it is gone."""
