"""Who works here, and which tokens no longer count."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from privacy_gateway.models.databases import Base, Moment


class Revocation(Base):
    """Tokens that must not be honoured until they would have expired anyway."""

    __tablename__ = "revocations"
    __table_args__ = (Index("revocations_recorded_at", "recorded_at"),)

    kind: Mapped[str] = mapped_column(Text, primary_key=True)  # token, session, actor, work
    value: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[datetime] = mapped_column(Moment)
    # Null: all of them. Else those issued up to this second; later ones are good again.
    issued_until: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(Moment, server_default=func.clock_timestamp())


class StaffMember(Base):
    """Somebody who works here. The roles name what they may ask for; a grant gives it."""

    __tablename__ = "staff"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    username: Mapped[str] = mapped_column(Text, unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sites: Mapped[list[str]] = mapped_column(ARRAY(Text))
    active: Mapped[bool] = mapped_column(Boolean)


class SignInAttempts(Base):
    """Failed sign-ins per username, whether anybody has that name or not."""

    __tablename__ = "sign_in_attempts"

    # A keyed hash: people type their password into the wrong box.
    username_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(Moment)
