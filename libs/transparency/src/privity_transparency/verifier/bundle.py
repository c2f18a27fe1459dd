"""One record with its proof (.tlog-proof)."""

from __future__ import annotations

from pathlib import Path

from privity_transparency.encoding import Malformed
from privity_transparency.merkle import NotProven
from privity_transparency.note import NotSigned
from privity_transparency.proof import Bundle, verify_bundle
from privity_transparency.verifier.findings import Fault, Report
from privity_transparency.verifier.heads import Trust
from privity_transparency.verifier.record import NotCanonical, read


class NoLeaf(Exception):
    """The bundle does not carry the record, and none was given."""


def verify_file(path: Path, trust: Trust, *, leaf: bytes | None = None) -> Report:
    """Raises NoLeaf."""
    report = Report(records=1, checkpoints=1)
    try:
        bundle = Bundle.parse(path.read_bytes())
    except Malformed as wrong:
        report.add(Fault.FILE, str(wrong))
        return report
    leaf = bundle.extra if leaf is None else leaf
    if leaf is None:
        raise NoLeaf("the bundle holds no record; name its file with --leaf")
    try:
        record_id = str(read(leaf).get("id", ""))
    except NotCanonical as wrong:
        report.add(Fault.NOT_CANONICAL, str(wrong), index=bundle.index)
        return report
    try:
        verify_bundle(
            bundle,
            leaf=leaf,
            log_key=trust.log_key,
            witness_keys=trust.witness_keys,
            quorum=trust.quorum,
        )
    except NotProven as wrong:
        report.add(Fault.ALTERED, str(wrong), index=bundle.index, record_id=record_id)
    except (NotSigned, Malformed) as wrong:
        report.add(Fault.CHECKPOINT, str(wrong))
    return report
