"""One version follows another while the gateway serves.

The folder is looked at every second, and on SIGHUP at once. A version that takes over, one that is
read and one that is refused are each on record; what is read counts only once that is durable.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from privacy_gateway.domain.audit.access import Decision
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.own_access import own_access
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.gap import PolicyGap
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privity_rest import Unavailable
from privity_rest.background import beside

_log = structlog.get_logger("privity.policy")
Look = tuple[tuple[str, int, int, int], ...]


class Succession:
    def __init__(
        self, policies: PolicyInForce, *, audit: AuditLog, poll_seconds: float = 1.0
    ) -> None:
        self._policies = policies
        self._audit = audit
        self._seconds = poll_seconds
        self._asked = asyncio.Event()
        self._announced: Policy | None = None

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Raises Unavailable when what is in force cannot be recorded."""
        await self._announce()
        loop = asyncio.get_running_loop()
        # Only the process's main thread hears signals; elsewhere the folder is still looked at.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        try:
            async with beside(self._watch(), name="policy"):
                yield
        finally:
            with contextlib.suppress(ValueError, RuntimeError):
                loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self) -> None:
        # Nothing is known to be handled: what changed since the start's own reading is found too.
        handled: Look | None = None
        before = _look(self._policies.folder)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._asked.wait()
            asked, now = self._asked.is_set(), _look(self._policies.folder)
            self._asked.clear()
            try:
                # Twice the same: a file that is still being written is not read yet.
                if asked or handled != now == before:
                    await self.read_again()
                    handled = now
                await self._announce()
            except Unavailable as exc:
                _log.error("policy_not_recorded", reason=exc.code)
            except Exception as exc:  # noqa: BLE001  # the worker's outermost loop
                _log.error("policy_not_read", reason=type(exc).__name__)
            before = now

    async def read_again(self) -> bool:
        """Whether the folder is in force now. Raises Unavailable while that cannot be recorded;
        nothing has changed then."""
        policies = self._policies
        try:
            # In a thread: reading and compiling take a tenth of a second, and others wait.
            read = await asyncio.to_thread(policies.read)
        except (PolicyGap, OSError) as exc:
            policies.refused += 1
            gaps = [str(gap) for gap in exc.gaps] if isinstance(exc, PolicyGap) else [str(exc)]
            _log.error("policy_refused", in_force=policies.current.version, gaps=gaps)
            await self._record(policies.current, "policy_refused", decision="refuse")
            return False
        known = set(policies.versions)
        for policy in read:
            if policy not in known:
                await self._record(policy, "policy_read")
                _log.info("policy_read", version=policy.version, hash=policy.hash)
        policies.replace(read)
        await self._announce()
        return True

    async def _announce(self) -> None:
        current = self._policies.current
        if current is self._announced:
            return
        await self._record(current, "policy_in_force")
        _log.info("policy_in_force", version=current.version, hash=current.hash)
        self._announced = current

    async def _record(self, policy: Policy, reason: str, *, decision: Decision = "allow") -> None:
        access = own_access(
            policy,
            kind="policy",
            purpose="none",
            reason=reason,
            resource=f"policy/{policy.version}",
            clauses=("C6.1", "C6.2"),
            decision=decision,
        )
        await self._audit.record([access])


def _look(folder: Path) -> Look:
    """What would tell that a file was changed, without reading any."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        with contextlib.suppress(OSError):
            said = path.stat()
            found.append((path.name, said.st_mtime_ns, said.st_size, said.st_ino))
    return tuple(found)
