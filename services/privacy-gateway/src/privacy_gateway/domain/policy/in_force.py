"""Which version of the policy counts: several are loaded, and time chooses.

Reading the folder again is all or nothing. What has a gap, what changes a version that was in
force already, and what removes one changes nothing: what was in force stays so.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.policy.gap import Gap, PolicyGap
from privacy_gateway.domain.policy.loading import load

_NEVER = datetime.max.replace(tzinfo=UTC)


def in_force(files: Sequence[PolicyFile], *, now: datetime) -> PolicyFile:
    """The newest version that has begun. Raises PolicyGap when none has."""
    begun = [file for file in files if file.in_force_from <= now]
    if not begun:
        do = "let one begin earlier"
        raise PolicyGap([Gap((), "no policy version is in force", do)])
    return max(begun, key=lambda file: file.in_force_from)


def load_folder(folder: Path) -> list[PolicyFile]:
    """All versions, in the order in which they begin. Raises PolicyGap for any gap in any."""
    files, gaps = [], []
    for path in sorted(folder.glob("*.yaml")):
        try:
            files.append(load(path))
        except PolicyGap as gap:
            gaps.extend(gap.gaps)
    gaps.extend(_succession(files))
    if gaps:
        raise PolicyGap(gaps)
    return sorted(files, key=lambda file: file.in_force_from)


def _succession(files: Sequence[PolicyFile]) -> list[Gap]:
    gaps = []
    ordered = sorted(files, key=lambda file: file.in_force_from)
    for earlier, later in pairwise(ordered):
        if _number(later) == _number(earlier):
            gaps.append(Gap(("version",), f"{later.version} stands twice", "give one another"))
        elif later.in_force_from == earlier.in_force_from:
            says = f"{earlier.version} and {later.version} begin at the same time"
            gaps.append(Gap(("in_force_from",), says, "let one begin later"))
        elif _number(later) < _number(earlier):
            says = f"{later.version} begins after {earlier.version}"
            gaps.append(Gap(("version",), says, "number them in the order of time"))
    return gaps


def _number(file: PolicyFile) -> tuple[str, int]:
    date, _, revision = file.version.partition(".")
    return date, int(revision or 0)


class PolicyInForce:
    """Holds every version that was loaded. `current` is the one that counts now.

    `refused` counts the readings that were refused since the process began.
    """

    def __init__(
        self, folder: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Raises PolicyGap."""
        self.folder = folder
        self._clock = clock
        self._fits: list[Callable[[Policy], None]] = []
        self._versions: tuple[Policy, ...] = ()
        self.refused = 0
        self._take(self.read())

    @property
    def current(self) -> Policy:
        if self._clock() >= self._until:
            self._turn()
        return self._current

    @property
    def versions(self) -> tuple[Policy, ...]:
        """Earliest first."""
        return self._versions

    def version(self, name: str) -> Policy | None:
        return next((policy for policy in self._versions if policy.version == name), None)

    def until(self, policy: Policy) -> datetime | None:
        """When the next version takes over, if one is known."""
        later = [p.file.in_force_from for p in self._versions]
        return min((at for at in later if at > policy.file.in_force_from), default=None)

    def require(self, fits: Callable[[Policy], None]) -> None:
        """Something else that a version must fit, now and whenever one is read: it raises
        PolicyGap. Versions that are past are not asked."""
        for policy in self._coming(self._versions):
            fits(policy)
        self._fits.append(fits)

    def read(self) -> tuple[Policy, ...]:
        """What lies in the folder, checked as a whole. Changes nothing; raises PolicyGap."""
        files = load_folder(self.folder)
        in_force(files, now=self._clock())
        known = {policy.version: policy for policy in self._versions}
        read = tuple(self._same(known.get(file.version), file) for file in files)
        gaps = self._rewritten(read)
        for policy in self._coming(read):
            for fits in self._fits:
                try:
                    fits(policy)
                except PolicyGap as gap:
                    gaps.extend(gap.gaps)
        if gaps:
            raise PolicyGap(gaps)
        return read

    def replace(self, read: tuple[Policy, ...]) -> None:
        """Takes what `read` gave, at once."""
        self._take(read)

    def _same(self, known: Policy | None, file: PolicyFile) -> Policy:
        return known if known is not None and known.hash == file.hash else Policy(file)

    def _rewritten(self, read: Sequence[Policy]) -> list[Gap]:
        """A version that was in force is history: it can be succeeded, not changed."""
        now, gaps = self._clock(), []
        by_version = {policy.version: policy for policy in read}
        for policy in self._versions:
            if policy.file.in_force_from > now:
                continue
            found = by_version.get(policy.version)
            if found is None:
                says = f"{policy.version} was in force and is gone"
                gaps.append(Gap(("version",), says, "put it back"))
            elif found.hash != policy.hash:
                says = f"{policy.version} was in force already and is changed"
                gaps.append(Gap(("version",), says, "write what changes as a new version"))
        return gaps

    def _coming(self, versions: Sequence[Policy]) -> list[Policy]:
        """The version in force and those after it."""
        current = in_force([policy.file for policy in versions], now=self._clock())
        return [p for p in versions if p.file.in_force_from >= current.in_force_from]

    def _take(self, read: tuple[Policy, ...]) -> None:
        self._versions = read
        self._turn()

    def _turn(self) -> None:
        now = self._clock()
        file = in_force([policy.file for policy in self._versions], now=now)
        self._current = next(p for p in self._versions if p.file is file)
        self._until = self.until(self._current) or _NEVER
