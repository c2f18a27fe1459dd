"""Figures for Prometheus: read by its own parser, pointing at nobody, and not for the world."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from privacy_gateway.domain.audit.stream import Streams
from privacy_gateway.domain.audit.tail import Tail
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.retention import clocks
from privacy_gateway.domain.retention.lateness import Lateness
from privacy_gateway.domain.watch import metrics
from privacy_gateway.domain.watch.metrics import Figures, NotPrivate
from privity_contracts import ids

POLICY = Path(__file__).parents[2] / "policy"


@pytest.fixture
def lateness(database, clock):
    return Lateness(database, PolicyInForce(POLICY), clock=clock)


@pytest.fixture
def figures(log, vault, watch, records, lateness):
    return Figures(log, vault, watch, Streams(Tail(records)), lateness)


async def read(port):
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    families = text_string_to_metric_families(answer.text)
    return answer.text, [sample for family in families for sample in family.samples]


async def test_counters_are_those_of_the_process(
    figures, log, watch, sequencer, reading, act, customer, clerk
):
    await act(1, kind="grant", purpose="break_glass", subject=None, scope=None, fields=())
    await log.record([reading()] * 3)
    await sequencer.run()
    await watch.catch_up()

    with metrics.serving("127.0.0.1:0", figures) as port:
        said, samples = await read(port)

    told = {(sample.name, sample.labels.get("rule")): sample.value for sample in samples}
    assert told["privity_audit_records_total", None] == 3
    assert told["privity_audit_alerts_total", "emergency"] == 1
    assert told["privity_audit_alerts_total", "volume"] == 0
    assert told["privity_audit_watched", None] == watch.next_index
    assert {name for sample in samples for name in sample.labels} == {"rule"}
    for person in (customer, clerk, "t1:"):
        assert person not in said


async def test_what_is_late_is_a_figure_and_what_is_not_known_is_none(
    figures, lateness, database, clock
):
    scope, subject = f"order/{ids.mint('ord')}", ids.mint("cus")
    with metrics.serving("127.0.0.1:0", figures) as port:

        async def told():
            return {sample.name: sample.value for sample in (await read(port))[1]}

        assert not [name for name in await told() if name.startswith("privity_retention")]
        await lateness.look()
        before = await told()
        async with database.transaction() as tx:
            at = clock() - timedelta(days=92)
            await clocks.start(tx, scope, "order_ended", subject_id=subject, country="DE", at=at)
        await lateness.look()
        after = await told()
        clock.now -= timedelta(days=90)
        await lateness.look()
        earlier = await told()

    assert after["privity_retention_overdue"] == before["privity_retention_overdue"] + 2
    assert earlier["privity_retention_overdue"] == 0
    assert earlier["privity_retention_looked_at_seconds"] == clock().timestamp()
    assert after["privity_purges_open"] >= after["privity_purges_overdue"]
    async with database.transaction() as tx:
        await tx.execute(text("DELETE FROM retention_clocks WHERE scope = :s"), {"s": scope})


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "[::]:9464", "8.8.8.8:9464"])
def test_the_world_does_not_read_them(figures, address):
    with pytest.raises(NotPrivate), metrics.serving(address, figures):
        pass


def test_without_an_address_there_is_no_listener(figures):
    with metrics.serving(None, figures) as port:
        assert port is None
