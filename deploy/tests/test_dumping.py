"""What whoever else is on the machine, or reads over a shoulder, learns of a backup: nothing."""

import stat
from pathlib import Path

import pytest

from privity_deploy import dumping
from privity_postgres import DatabaseEntry

URL = "postgresql://owner:sec%2Fret@127.0.0.1:5433/postgres"
TOOL = """#!/bin/sh
printf '%s\\n' "$@" > "{folder}/arguments"
printf '%s' "$PGPASSWORD" > "{folder}/password"
while [ $# -gt 0 ]; do
    if [ "$1" = --file ]; then echo whole > "$2"; fi
    shift
done
{ends}
"""
FAILS = """cat >&2 <<'SAID'
pg_restore: error: could not execute query: ERROR:  value too long for type character varying(3)
CONTEXT:  COPY payments, line 1, column last4: "4242
 and more of the row"
pg_restore: error: gave up on table payments
SAID
exit 1"""


@pytest.fixture
def tools(tmp_path):
    """`make(ends)`: tools that write down how they were called."""

    def make(ends=""):
        for name in ("pg_dump", "pg_restore"):
            tool = tmp_path / name
            tool.write_text(TOOL.format(folder=tmp_path, ends=ends))
            tool.chmod(0o700)
        return tmp_path

    return make


def entry():
    return DatabaseEntry("privity_orders", "privity_orders_owner", "privity_orders")


def test_a_password_is_in_no_argument_and_the_tool_has_it(tools, tmp_path):
    bin_dir = tools()
    calls = (
        lambda: dumping.dump(bin_dir, URL, "privity_orders", tmp_path / "orders.dump"),
        lambda: dumping.restore(bin_dir, URL, entry(), tmp_path / "orders.dump"),
    )
    for call in calls:
        call()

        arguments = (tmp_path / "arguments").read_text()
        assert "ret" not in arguments.replace("pg_restore", "").replace("privity", "")
        assert "postgresql://owner@127.0.0.1:5433/privity_orders" in arguments
        assert (tmp_path / "password").read_text() == "sec/ret"


def test_a_server_that_asks_for_no_password_is_reached_as_before(tools, tmp_path):
    url = "postgresql://owner@/postgres?host=/run/postgres"

    dumping.dump(tools(), url, "privity_orders", tmp_path / "orders.dump")

    assert "host=" in (tmp_path / "arguments").read_text()


def test_nobody_else_may_read_a_backup_also_while_it_is_written(tools, tmp_path):
    file = tmp_path / "orders.dump"
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text("left by somebody")
    unfinished.chmod(0o666)
    looks = f"stat -c %a '{unfinished}' > '{tmp_path}/mode'"

    dumping.dump(tools(looks), URL, "privity_orders", file)

    assert (tmp_path / "mode").read_text().strip() == "600"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "whole\n"


def test_what_a_tool_says_when_it_fails_quotes_no_row(tools, tmp_path):
    with pytest.raises(dumping.ToolFailed) as failed:
        dumping.restore(tools(FAILS), URL, entry(), Path("orders.dump"))

    said = str(failed.value)
    assert "4242" not in said
    assert "more of the row" not in said
    assert "value too long" in said
    assert "gave up on table payments" in said
