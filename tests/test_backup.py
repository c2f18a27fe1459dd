"""A backup taken before a deletion and put back after it brings nobody back (`make torture`)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from privity_deploy import backup, restore
from privity_deploy.client import eventually
from privity_deploy.dumping import fingerprint
from privity_deploy.raw_search import search
from privity_deploy.seed import Shop, seed
from privity_deploy.stack import lent_stack
from privity_postgres import for_driver

from .conftest import ROOT
from .people import PASSWORD, Someone, Town
from .test_deletion import ask, finished

LONG = os.environ.get("PRIVITY_RESTORES") == "1"
LIVE = "SELECT count(*) FROM data_keys WHERE subject = $1 AND destroyed_at IS NULL"
ROWS = "SELECT count(*) FROM accounts WHERE id = $1"


@pytest.mark.timeout(600)
@pytest.mark.skipif(not LONG, reason="opens a shop of its own three times; make torture does it")
def test_a_backup_from_before_a_deletion_brings_nobody_back(tmp_path: Path) -> None:
    with lent_stack(ROOT) as stack:
        if not stack.owns_postgres:
            pytest.skip("this restores whole databases, on a server of its own")
        town = Town(seed(stack.running, report=lambda line: None))
        gone, stays = town.customer(), town.customer()
        folders = backup.Folders(tmp_path / "data", tmp_path / "keys", tmp_path / "journal")
        bin_dir = stack.postgres.bin_dir
        taken = backup.backup(stack.running, folders, bin_dir=bin_dir, now=datetime.now(UTC))
        keys = folders.keys / taken.name
        asked = town.delete_at_once(gone)
        eventually(finished(Someone(stack.url), asked), within=60, what="end of the deletion")
        assert ask(stack, "privity_keys", LIVE, gone.id) == [(0,)]
        stack.stop()

        put_back = restore.restore(stack, taken, keys=keys)

        assert {"privity_customers", "privity_gateway", "privity_keys"} <= set(put_back)
        with stack.closed():  # the backup has brought it all back, and nobody serves it yet
            assert ask(stack, "privity_customers", ROWS, gone.id) == [(1,)]
            assert ask(stack, "privity_keys", LIVE, gone.id)[0][0] >= 2
        stack.start()

        # Before the first answer left, it was all gone again.
        assert ask(stack, "privity_keys", LIVE, gone.id) == [(0,)]
        assert ask(stack, "privity_customers", ROWS, gone.id) == [(0,)]
        visitor = Someone(stack.url)
        credentials = {"email": gone.email, "password": PASSWORD}
        assert visitor.ask("POST", "/v1/sessions", credentials).status == 401
        again = Town(Shop.of(stack.running)).sign_in(stays)
        assert again.who.get("/v1/profile")["name"] == stays.name
        url = for_driver(stack.places.owner_url("privity_customers"))
        dump = tmp_path / "after.sql"
        subprocess.run([bin_dir / "pg_dump", "--dbname", url, "--file", dump], check=True)
        assert list(search([dump], gone.private)) == []
        stack.stop()

        # What was tampered with, or is newer than the journal, is not put back.
        manifest = (taken / backup.MANIFEST).read_text()
        (taken / backup.MANIFEST).write_text(manifest.replace('"journal": 0', '"journal": 999999'))
        changed = (taken / backup.MANIFEST).read_text() != manifest
        if changed:
            with pytest.raises(restore.Refused, match="older than the backup"):
                restore.restore(stack, taken)
        (taken / backup.MANIFEST).write_text(manifest)
        with (taken / "privity_orders.dump").open("ab") as file:
            file.write(b"\0")
        with pytest.raises(restore.Refused, match="not the file"):
            restore.restore(stack, taken)


def test_the_three_places_are_three_and_a_broken_backup_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = backup.Folders.of(tmp_path)
    assert len({folders.data, folders.keys, folders.journal}) == 3
    monkeypatch.setenv("PRIVITY_JOURNAL_COPY", str(tmp_path / "elsewhere"))
    assert backup.Folders.of(tmp_path).journal == tmp_path / "elsewhere"

    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "privity_orders.dump"
        dump.write_bytes(b"as it was")
        text = '{"taken_at": "x", "journal": 0, "files": {"privity_orders": "%s"}}'
        (Path(folder) / backup.MANIFEST).write_text(text % fingerprint(dump))
        assert restore.manifest(Path(folder)).journal == 0
        dump.write_bytes(b"as it is")
        with pytest.raises(restore.Refused, match="not the file"):
            restore.manifest(Path(folder))
    with pytest.raises(restore.Refused, match="holds no backup"):
        restore.manifest(tmp_path)
