"""Who works here, and which tokens no longer count."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, Integer, LargeBinary, Text, func
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
    """Somebody who works here. The roles name what they may ask for; a grant gives it.

    The staff file or the identity provider gives roles and lists who is there; the directory can
    only take away from that, and what it took stays taken, whatever is given anew.
    """

    __tablename__ = "staff"
    __table_args__ = (CheckConstraint("source IN ('file', 'openid')", name="staff_source"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    source: Mapped[str] = mapped_column(Text, server_default="file")
    # Of the file; or the provider's name and the person's there.
    username: Mapped[str] = mapped_column(Text, unique=True)
    password_hash: Mapped[str | None] = mapped_column(Text)
    # A keyed digest of the password and its hash together: domain/staff/passwords.py.
    password_mark: Mapped[str | None] = mapped_column(Text)
    given_roles: Mapped[list[str]] = mapped_column("roles", ARRAY(Text))
    withheld_roles: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    sites: Mapped[list[str]] = mapped_column(ARRAY(Text))
    listed: Mapped[bool] = mapped_column("active", Boolean)
    deactivated_at: Mapped[datetime | None] = mapped_column(Moment)
    deactivated_by: Mapped[str | None] = mapped_column(Text)
    deactivated_why: Mapped[str | None] = mapped_column(Text)

    @property
    def roles(self) -> list[str]:
        withheld = self.withheld_roles or ()
        return [role for role in self.given_roles if role not in withheld]

    @property
    def active(self) -> bool:
        return self.listed and self.deactivated_at is None


class SignInAttempts(Base):
    """Failed sign-ins per username, whether anybody has that name or not."""

    __tablename__ = "sign_in_attempts"

    # A keyed hash: people type their password into the wrong box.
    username_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(Moment)
