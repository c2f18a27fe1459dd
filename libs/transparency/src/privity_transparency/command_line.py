"""`audit verify`: checks a bundle, an export or a database against keys that you bring yourself.

`audit key` writes a public key's file in the form in which logs and witnesses name theirs.

Exit codes: 0 everything is as it was signed; 1 something is not; 2 the question could not be
understood; 3 what should be checked could not be read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from privity_transparency.encoding import Malformed, from_base64
from privity_transparency.note import COSIGNATURE, ED25519, NAME, NotSigned, VerifierKey
from privity_transparency.verifier import archives, bundle, database, export
from privity_transparency.verifier.findings import Report
from privity_transparency.verifier.heads import Trust

VERIFIED, FOUND_WRONG, NOT_UNDERSTOOD, NOT_READ = range(4)
URL_VARIABLE = "AUDIT_DATABASE_URL"
_SHOWN = 50
_KEY_BYTES = 32
_END = b"-----END PUBLIC KEY-----"


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if given.what == "key":
        kind = COSIGNATURE if given.witness else ED25519
        sys.stdout.write(f"{VerifierKey(given.name, kind, given.file)}\n")
        return VERIFIED
    began = time.monotonic()
    try:
        report = _verified(given)
    except (
        export.NotAnExport,
        database.NotAnAuditDatabase,
        archives.NotAnArchive,
        bundle.NoLeaf,
    ) as exc:
        return _failed(str(exc))
    except (NotSigned, Malformed) as exc:
        return _failed(f"a known checkpoint: {exc}")
    except (OSError, asyncpg.PostgresError) as exc:
        # The driver's words may repeat the URL with its password.
        return _failed(f"not readable: {type(exc).__name__}")
    _tell(report, given, time.monotonic() - began)
    return VERIFIED if report.clean else FOUND_WRONG


def _verified(given: argparse.Namespace) -> Report:
    trust = Trust(
        log_key=given.log_key,
        witness_keys=tuple(given.witness_key),
        quorum=len(given.witness_key) if given.quorum is None else given.quorum,
        identities=tuple(chain.from_iterable(getattr(given, "identity_key", ()))),
        known=tuple(_note(path) for path in getattr(given, "known_checkpoint", ())),
    )
    if given.what == "bundle":
        leaf = None if given.leaf is None else given.leaf.read_bytes()
        return bundle.verify_file(given.file, trust, leaf=leaf)
    progress = _Progress(quiet=given.quiet)
    if given.what == "export":
        return export.verify_export(given.folder, trust, workers=given.workers, progress=progress)
    url = given.url or os.environ.get(URL_VARIABLE)
    if not url:
        raise database.NotAnAuditDatabase(f"name the database, or set {URL_VARIABLE}")
    return asyncio.run(
        database.verify_database(
            url,
            trust,
            archives=given.archive,
            accept_unlogged=given.accept_unlogged,
            workers=given.workers,
            progress=progress,
        )
    )


def _note(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None


class _Progress:
    """On a terminal one line that changes; elsewhere a line for each tenth."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()
        self._tenths = 0

    def __call__(self, done: int, total: int) -> None:
        if self._quiet or not total:
            return
        seconds = time.monotonic() - self._began
        line = f"{done:,} of {total:,} records, {done / max(seconds, 0.001):,.0f}/s"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}\033[K" + ("\n" if done == total else ""))
            sys.stderr.flush()
        elif 10 * done // total > self._tenths:
            self._tenths = 10 * done // total
            sys.stderr.write(f"{line}\n")


def _tell(report: Report, given: argparse.Namespace, seconds: float) -> None:
    if given.json:
        said = vars(report) | {
            "clean": report.clean,
            "seconds": round(seconds, 3),
            "findings": [asdict(finding) for finding in report.findings],
        }
        sys.stdout.write(json.dumps(said) + "\n")
        return
    shown = report.findings if given.all else report.findings[:_SHOWN]
    for finding in shown:
        sys.stdout.write(f"{finding}\n")
    hidden = sum(report.faults.values()) - len(shown)
    if hidden:
        sys.stdout.write(f"... and {hidden} more (--all shows them)\n")
    counted = f"{report.records:,} records"
    if report.batches:
        counted += f" in {report.batches:,} batches of {report.processes:,} processes"
    counted += f", {report.checkpoints:,} checkpoints, {seconds:.1f} s"
    if report.pending:
        counted += f"; {report.pending:,} signed and not in the log yet"
    if report.unlogged:
        counted += f"; {report.unlogged:,} older than the log, which nothing proves"
    if report.selected:
        counted += "; a selection: that none was left out is not proved"
    if report.beside:
        counted += f"; files for reading, bound by the manifest alone: {report.beside:,}"
    if report.clean:
        sys.stdout.write(f"VERIFIED: {counted}\n")
    else:
        faults = ", ".join(f"{count:,} {fault}" for fault, count in report.faults.items())
        sys.stdout.write(f"NOT AS SIGNED: {faults} ({counted})\n")


def _failed(why: str) -> int:
    sys.stderr.write(f"audit: {why}\n")
    return NOT_READ


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="audit", description="Checks the audit log without asking anybody."
    )
    commands = parser.add_subparsers(required=True)
    verify = commands.add_parser("verify", help="check a bundle, an export or a database")
    key = commands.add_parser("key", help="a public key's file as a verifier key")
    key.set_defaults(what="key")
    key.add_argument("name", type=_name, help="of the log or the witness")
    key.add_argument("file", type=_identity, help="PEM, or the key itself in base 64")
    key.add_argument("--witness", action="store_true", help="it cosigns")
    kinds = verify.add_subparsers(dest="what", required=True)
    one = kinds.add_parser("bundle", help="one record with its proof (.tlog-proof)")
    one.add_argument("file", type=Path)
    one.add_argument("--leaf", type=Path, help="the record, where the bundle holds none")
    folder = kinds.add_parser("export", help="a folder with a manifest")
    folder.add_argument("folder", type=Path)
    whole = kinds.add_parser("database", help="the whole audit database")
    whole.add_argument("url", nargs="?", help=f"without it, ${URL_VARIABLE} is used")
    whole.add_argument(
        "--accept-unlogged",
        action="store_true",
        help="count records that are in no batch instead of finding fault with them: those "
        "from before there was a log, which nothing proves",
    )
    whole.add_argument(
        "--archive",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a month that was closed, and left the database for this folder",
    )
    for each in (one, folder, whole):
        _add_trust(each)
    for each in (folder, whole):
        each.add_argument(
            "--identity-key",
            type=_identities,
            action="append",
            default=[],
            metavar="KEY",
            help="of the gateway's audit identity: base 64, or a PEM file, which may hold several",
        )
        each.add_argument(
            "--known-checkpoint",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="one that was kept: the log must have grown from it",
        )
        each.add_argument("--workers", type=_count, help="processes (default: one per processor)")
        each.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-key", type=_key, required=True, metavar="VKEY")
    parser.add_argument("--witness-key", type=_key, action="append", default=[], metavar="VKEY")
    parser.add_argument("--quorum", type=int, help="how many witnesses (default: all of them)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--all", action="store_true", help="every finding")


def _key(text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except Malformed as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _name(text: str) -> str:
    if NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("a name has no spaces and no plus")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("one or more")
    return int(text)


def _identity(text: str) -> bytes:
    keys = _identities(text)
    if len(keys) != 1:
        raise argparse.ArgumentTypeError("the file holds several keys")
    return keys[0]


def _identities(text: str) -> list[bytes]:
    try:
        if not Path(text).is_file():
            keys = [from_base64(text)]
        else:
            *pems, _ = Path(text).read_bytes().split(_END)
            loaded = [load_pem_public_key(pem + _END) for pem in pems]
            keys = [k.public_bytes_raw() for k in loaded if isinstance(k, Ed25519PublicKey)]
            keys = keys if len(keys) == len(pems) else []
    except ValueError:
        keys = []
    if not keys or any(len(key) != _KEY_BYTES for key in keys):
        raise argparse.ArgumentTypeError("neither 32 bytes in base 64 nor a PEM file of Ed25519")
    return keys


if __name__ == "__main__":
    sys.exit(main())
