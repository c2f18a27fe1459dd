"""The files of an export, in parts in the gateway's own database: any process can go on with them.

They hold tags and no person's id, so they are no more readable at rest than the store itself.
"""

import tarfile
from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from privacy_gateway.models import Export, ExportPart
from privity_database import Database
from privity_transparency.manifest import File

_BLOCK = 512


def put(tx: AsyncSession, export_id: str, path: str, content: bytes, *, part: int = 0) -> None:
    tx.add(ExportPart(export_id=export_id, path=path, part=part, content=content))


async def sizes(tx: AsyncSession, export_id: str) -> list[tuple[str, int]]:
    size = func.sum(func.octet_length(ExportPart.content))
    rows = await tx.execute(
        select(ExportPart.path, size)
        .where(ExportPart.export_id == export_id)
        .group_by(ExportPart.path)
        .order_by(ExportPart.path)
    )
    return [(path, int(size)) for path, size in rows]


async def parts(database: Database, export_id: str, path: str) -> AsyncIterator[bytes]:
    """One after the other: a file may be larger than memory."""
    number = -1
    while True:
        query = (
            select(ExportPart.part, ExportPart.content)
            .where(
                ExportPart.export_id == export_id,
                ExportPart.path == path,
                ExportPart.part > number,
            )
            .order_by(ExportPart.part)
            .limit(1)
        )
        async with database.transaction() as tx:
            found = (await tx.execute(query)).one_or_none()
        if found is None:
            return
        number = found[0]
        yield found[1]


async def described(database: Database, export_id: str) -> list[File]:
    """Every file as the manifest lists it."""
    async with database.transaction() as tx:
        known = await sizes(tx, export_id)
    files = []
    for path, size in known:
        digest = sha256()
        async for content in parts(database, export_id, path):
            digest.update(content)
        files.append(File(path, size, digest.hexdigest()))
    return files


async def archive(database: Database, export: Export) -> AsyncIterator[bytes]:
    """All files as one tar (POSIX pax), in a folder that is named for the export."""
    async with database.transaction() as tx:
        known = await sizes(tx, export.id)
    for path, size in known:
        yield _head(f"{export.id}/{path}", size, export.ready_at)
        async for content in parts(database, export.id, path):
            yield content
        yield b"\0" * (-size % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


def _head(name: str, size: int, at: datetime | None) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    entry.mtime = int(at.timestamp()) if at else 0
    return entry.tobuf(tarfile.PAX_FORMAT)


async def drop(tx: AsyncSession, export_id: str, paths: list[str]) -> None:
    """What an earlier attempt at the end of the work left."""
    await tx.execute(
        delete(ExportPart).where(ExportPart.export_id == export_id, ExportPart.path.in_(paths))
    )
