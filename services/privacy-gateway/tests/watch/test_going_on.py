"""What runs beside the requests goes on after a failure that nobody thought of."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from privacy_gateway.clients.mail import Mail, MailServer, Sender
from privacy_gateway.domain.break_glass import telling
from privacy_gateway.domain.break_glass.telling import Telling
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.retention import lateness
from privacy_gateway.domain.retention.lateness import Lateness
from privacy_gateway.domain.watch import watch as watching

POLICY = Path(__file__).parents[2] / "policy"


@pytest.fixture
def loops(database, watch, monkeypatch):
    for module in (telling, lateness, watching):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    nobody = MailServer("127.0.0.1", 9, require_tls=False)
    mail = Mail(nobody, sender=Sender.parse("Shop <shop@shop.example>"))
    return {
        "break_glass_not_read": Telling(database, mail, to="privacy@shop.example"),
        "lateness_not_known": Lateness(database, PolicyInForce(POLICY)),
        "watch_cannot_look": watch,
    }


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("break_glass", "break_glass_not_read"),
        ("retention_clocks", "lateness_not_known"),
        ("watch_place", "watch_cannot_look"),
    ],
)
async def test_a_loop_goes_on(loops, gateway_owner, table, said):
    await gateway_owner.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    with capture_logs() as logs:

        def failures():
            return [line["reason"] for line in logs if line["event"] == said]

        try:
            async with asyncio.timeout(10), loops[said].following():
                while len(failures()) < 3:  # noqa: ASYNC110  # a log tells nobody
                    await asyncio.sleep(0.01)
        finally:
            await gateway_owner.execute(f"ALTER TABLE elsewhere RENAME TO {table}")

    assert set(failures()) == {"ProgrammingError"}
