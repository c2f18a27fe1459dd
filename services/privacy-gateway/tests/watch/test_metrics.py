"""Figures for Prometheus: read by its own parser, pointing at nobody, and not for the world."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from privacy_gateway.domain.audit.stream import Streams
from privacy_gateway.domain.audit.tail import Tail
from privacy_gateway.domain.watch import metrics
from privacy_gateway.domain.watch.metrics import Figures, NotPrivate


@pytest.fixture
def figures(log, vault, watch, records):
    return Figures(log, vault, watch, Streams(Tail(records)))


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
        text, samples = await read(port)

    told = {(sample.name, sample.labels.get("rule")): sample.value for sample in samples}
    assert told["privity_audit_records_total", None] == 3
    assert told["privity_audit_alerts_total", "emergency"] == 1
    assert told["privity_audit_alerts_total", "volume"] == 0
    assert told["privity_audit_watched", None] == watch.next_index
    assert {name for sample in samples for name in sample.labels} == {"rule"}
    for person in (customer, clerk, "t1:"):
        assert person not in text


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "[::]:9464", "8.8.8.8:9464"])
def test_the_world_does_not_read_them(figures, address):
    with pytest.raises(NotPrivate), metrics.serving(address, figures):
        pass


def test_without_an_address_there_is_no_listener(figures):
    with metrics.serving(None, figures) as port:
        assert port is None
