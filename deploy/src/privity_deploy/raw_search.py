"""Looking for somebody's data in raw bytes: database files, logs, whatever lies on the disk.

A value is looked for as an encoder would have spelled it: in either case, as UTF-8 and UTF-16, as
hex, as base64 at each of three offsets, with URL and JSON escapes, and as an unsalted hash.
"""

import base64
import hashlib
import json
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 4 * 1024 * 1024
# Shorter needles are found in noise: two random bytes are everywhere.
SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a value lies. `value` is its label: a report must not repeat what it found."""

    path: Path
    offset: int
    value: str
    spelling: str


def spellings(value: str) -> dict[str, bytes]:
    """How the value can look in bytes, by name; in lower case where case carries nothing."""
    plain = value.encode()
    found = {
        "plain": plain.lower(),
        "UTF-16 LE": value.lower().encode("utf-16-le"),
        "UTF-16 BE": value.lower().encode("utf-16-be"),
        "hex": plain.hex().encode(),
        "URL": urllib.parse.quote(value, safe="").lower().encode(),
        "URL form": urllib.parse.quote_plus(value).lower().encode(),
        "JSON": json.dumps(value)[1:-1].lower().encode(),
    }
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, plain, usedforsecurity=False)
        found[name] = digest.digest()
        found[f"{name} hex"] = digest.hexdigest().encode()
    found |= {f"base64 +{offset}": text for offset, text in _base64(plain).items()}
    kept: dict[str, bytes] = {}
    for name, spelling in found.items():
        if len(spelling) >= SHORTEST and spelling not in kept.values():
            kept[name] = spelling
    return kept


def _base64(plain: bytes) -> dict[int, bytes]:
    """Where a value begins within a longer text decides how it comes out."""
    found = {}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + plain)
        # What depends on the neighbours is left away at both ends.
        start = (offset * 8 + 5) // 6
        end = (offset + len(plain)) * 8 // 6
        found[offset] = encoded[start:end]
    return {offset: text for offset, text in found.items() if len(text) >= 8}


def search(files: Iterable[Path], values: dict[str, str]) -> Iterator[Hit]:
    """Every first hit of each value and spelling in each file; `values` by label."""
    needles = [
        (label, name, spelling, name.startswith("base64") or name in {"md5", "sha1", "sha256"})
        for label, value in values.items()
        for name, spelling in spellings(value).items()
    ]
    overlap = max((len(spelling) for _, _, spelling, _ in needles), default=1)
    for path in files:
        seen: set[tuple[str, str]] = set()
        for offset, chunk in _chunks(path, overlap):
            lowered = chunk.lower()
            for label, name, spelling, exact in needles:
                at = (chunk if exact else lowered).find(spelling)
                if at >= 0 and (label, name) not in seen:
                    seen.add((label, name))
                    yield Hit(path, offset + at, label, name)


def _chunks(path: Path, overlap: int) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            offset, kept = 0, b""
            while chunk := file.read(CHUNK):
                window = kept + chunk
                yield offset - len(kept), window
                offset += len(chunk)
                kept = window[-overlap:]
    except FileNotFoundError:
        return  # a server removes files while we look


def files_below(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
