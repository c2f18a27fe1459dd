"""What counts as unusual: numbers in one file. A mistake in it stops the start."""

from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

FILE: Final = Path(__file__).with_name("rules.yaml")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Rule = Literal[
    "volume",
    "breadth",
    "hours",
    "refusals",
    "emergency",
    "record_altered",
    "records_missing",
    "log_behind",
    "unreconciled_open",
]

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Minutes = Annotated[int, Field(ge=1, le=1440)]
Clock = Annotated[time, BeforeValidator(lambda text: time.fromisoformat(str(text)))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Most(_Strict):
    default: Count
    roles: dict[str, Count] = {}

    def of(self, role: str) -> int:
        return self.roles.get(role, self.default)


class Amount(_Strict):
    window_minutes: Minutes
    most: Most


class Hours(Amount):
    timezone: str
    since: Clock = Field(alias="from")
    until: Clock
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    exempt: list[str] = Field(default=[], alias="except")

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    def at_work(self, moment: datetime) -> bool:
        local = moment.astimezone(ZoneInfo(self.timezone))
        return DAYS[local.weekday()] in self.days and self.since <= local.time() < self.until


class Refusals(_Strict):
    in_a_row: Annotated[int, Field(ge=2, le=1000)]
    window_minutes: Minutes


class Rules(_Strict):
    volume: Amount
    breadth: Amount
    hours: Hours
    refusals: Refusals
    emergencies: list[str]
    log_behind_seconds: Annotated[int, Field(ge=5, le=86_400)]


def read(path: Path = FILE) -> Rules:
    return Rules.model_validate(yaml.safe_load(path.read_text("utf-8")))
