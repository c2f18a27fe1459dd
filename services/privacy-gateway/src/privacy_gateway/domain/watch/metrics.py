"""Figures for Prometheus, on a listener of their own: names of rules and of counters, nothing else.

No label holds an id, a tag, a role or a purpose, so that no series points at anybody.
"""

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.stream import Streams
from privacy_gateway.domain.retention.lateness import Lateness
from privacy_gateway.domain.vault.vault import Vault
from privacy_gateway.domain.watch.rules import Rule
from privacy_gateway.domain.watch.watch import Watch


class Figures(NamedTuple):
    audit: AuditLog
    vault: Vault
    watch: Watch
    streams: Streams
    lateness: Lateness


class NotPrivate(ValueError):
    """Figures are given on this machine or in a private network, never to the world."""


class _Reading(Collector):
    """Read when asked; counting costs the requests nothing."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        audit, vault, watch, streams, lateness = self._figures
        counters = {
            "records": (audit.recorded, "Records that are durable"),
            "batches": (audit.batches, "Commits that made them so"),
            "failed_batches": (audit.failed_batches, "Commits that did not come about"),
            "refused": (audit.refused, "Requests refused because they could not be recorded"),
            "opened": (vault.opened, "Values opened in the vault"),
            "opens_recorded": (vault.recorded, "Values that a receipt was shown for"),
            "opens_broken": (vault.broken, "Values with a receipt that did not open"),
        }
        for name, (value, said) in counters.items():
            yield CounterMetricFamily(f"privity_audit_{name}", said, value=value)
        gauges = {
            "waiting": (audit.waiting, "Records that wait for their commit"),
            "streams": (streams.open, "Live streams that are open"),
            "watched": (watch.next_index, "How far the watch has come in the log"),
            "opens_unreconciled": (watch.unreconciled, "Opens without a record, at the last look"),
        }
        for name, (value, said) in gauges.items():
            yield GaugeMetricFamily(f"privity_audit_{name}", said, value=value)
        raised = CounterMetricFamily(
            "privity_audit_alerts", "Alerts that this process raised", labels=["rule"]
        )
        for rule in get_args(Rule):
            raised.add_metric([rule], watch.raised[rule])
        yield raised
        yield from _lateness(lateness)


def _lateness(lateness: Lateness) -> Iterable[Metric]:
    """Nothing before the first look: what is not known is no zero."""
    if lateness.looked_at is None:
        return
    gauges = {
        "retention_overdue": (lateness.overdue, "Classes that should be gone and are not"),
        "purges_open": (lateness.purges.open, "Purges that no partner has attested to yet"),
        "purges_overdue": (lateness.purges.overdue, "Those of them whose time is up"),
        "retention_looked_at_seconds": (
            lateness.looked_at.timestamp(),
            "When these were true, in seconds since 1970",
        ),
    }
    for name, (value, said) in gauges.items():
        yield GaugeMetricFamily(f"privity_{name}", said, value=value)


def registry(figures: Figures) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(_Reading(figures))
    return made


@contextlib.contextmanager
def serving(address: str | None, figures: Figures) -> Iterator[int | None]:
    """At `ip:port` as long as it lasts; gives the port. Raises NotPrivate."""
    if address is None:
        yield None
        return
    host, _, port = address.rpartition(":")
    ip = ipaddress.ip_address(host.strip("[]"))
    if ip.is_unspecified or not (ip.is_loopback or ip.is_private):
        raise NotPrivate("figures are given at an address of this machine or a private network")
    server, thread = start_http_server(int(port), str(ip), registry(figures))
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
