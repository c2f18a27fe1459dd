"""An export of a made log, as a folder; and the same with its manifest made to fit afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from privity_transparency import manifest, tiles
from privity_transparency.batch import Batch, Process
from privity_transparency.manifest import Manifest
from privity_transparency.tiles import TileId

from .made_log import ORIGIN, MadeLog


def write_export(
    folder: Path, made: MadeLog, indexes: Iterable[int] | None = None, *, batches: bool = True
) -> Path:
    """Everything, or a selection (which has no batches)."""
    size = len(made.rows["records"])
    chosen = list(range(size)) if indexes is None else sorted(indexes)
    folder.mkdir()
    (folder / manifest.CHECKPOINT).write_text(made.heads[-1], "utf-8")
    with (folder / manifest.RECORDS).open("wb") as lines:
        for index in chosen:
            row = made.rows["records"][index]
            process_id, batch, position = row[10:]
            lines.write(
                manifest.record_line(
                    index=index, leaf=row[2], process_id=process_id, batch=batch, position=position
                )
            )
    stored = {TileId(level, number): hashes for level, number, hashes in made.rows["tiles"]}
    for tile, width in manifest.tiles_for(chosen, size).items():
        path = folder / tiles.path(*tile, width)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored[tile][: width * 32])
    if indexes is None and batches:
        _write_batches(folder, made)
    seal(folder, size=size, records=len(chosen), whole=indexes is None)
    return folder


def _write_batches(folder: Path, made: MadeLog) -> None:
    with (folder / manifest.PROCESSES).open("wb") as lines:
        for process_id, public_key, certificate, started_at in made.rows["processes"]:
            process = Process(process_id, public_key, started_at)
            lines.write(manifest.process_line(process=process, certificate=certificate))
    with (folder / manifest.BATCHES).open("wb") as lines:
        for row, listed in zip(made.rows["batches"], made.rows["log_batches"], strict=True):
            batch = Batch(*row[:5])
            lines.write(manifest.batch_line(first_index=listed[0], batch=batch, signature=row[5]))


def seal(folder: Path, *, size: int, records: int, whole: bool) -> None:
    """Writes the manifest for what lies there now."""
    paths = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != manifest.MANIFEST
    )
    said = Manifest(
        origin=ORIGIN,
        size=size,
        records=records,
        files=tuple(manifest.file_of(folder, path) for path in paths),
        first=0 if whole else None,
        end=size if whole else None,
        query={} if whole else {"purpose": "delivery"},
    )
    (folder / manifest.MANIFEST).write_text(said.to_json(), "utf-8")
    assert Manifest.from_json(said.to_json()) == said
