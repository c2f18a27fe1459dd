"""What the tables may say. A mistake in them stops the start, with its place."""

from pathlib import Path

import pytest

from privity_deploy import tables
from privity_deploy.environment import environment_of
from privity_deploy.tables import TableRefused

PROJECT = Path(__file__).parents[2]
GOOD = 'command = ["true"]\nsocket = "a.sock"\nhealth = "/healthz"\n'


def read(tmp_path, processes):
    (tmp_path / "processes.toml").write_text(processes)
    (tmp_path / "databases.toml").write_text("")
    return tables.read(tmp_path / "processes.toml", tmp_path / "databases.toml")


def test_the_projects_own_tables_are_accepted_and_every_placeholder_is_known():
    from privity_deploy.places import Places

    listed = tables.read(
        PROJECT / "deploy" / "processes.toml", PROJECT / "deploy" / "databases.toml"
    )
    places = Places(listed, root=PROJECT, data_dir=PROJECT / ".privity")
    places.ports = {(p.name, name): 1 for p in listed.processes for name in p.ports}
    places.secrets.role_password = lambda role: "password"  # type: ignore[method-assign]
    places.admin_url = "postgresql://admin@/postgres"

    assert {entry.name: entry.grants for entry in listed.databases}["privity_audit"] == (
        "insert_select"
    )
    for process in listed.processes:
        for name, value in environment_of(process, places.look_up).items():
            assert "{url" not in value, name


def test_processes_come_after_what_they_wait_for(tmp_path):
    listed = read(
        tmp_path,
        f'[[process]]\nname = "c"\nwaits_for = ["b"]\n{GOOD}'
        f'[[process]]\nname = "b"\nwaits_for = ["a", "postgres"]\n{GOOD}'
        f'[[process]]\nname = "a"\n{GOOD}',
    )

    assert [process.name for process in listed.processes] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("processes", "place"),
    [
        (f'[[process]]\nname = "a"\nwaits_for = ["a"]\n{GOOD}', "wait for each other: a"),
        (f'[[process]]\nname = "a"\nwaits_for = ["z"]\n{GOOD}', "a waits for z"),
        (f'[[process]]\nname = "postgres"\n{GOOD}', "postgres"),
        (f'[[process]]\nname = "A b"\n{GOOD}', "A b"),
        (f'[[process]]\nname = "a"\n{GOOD}' * 2, "one name"),
        (f'[[process]]\nname = "a"\nwait_for = []\n{GOOD}', "unknown fields wait_for"),
        ('[[process]]\nname = "a"\ncommand = ["true"]\n', "either a socket or ports"),
        ('[[process]]\nname = "a"\ncommand = ["true"]\nsocket = "s"\n', "health"),
        ('[secrets]\n"../outside" = "random"\n', "../outside"),
        ('[secrets]\n"key" = "rot13"\n', "key"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_by_name(tmp_path, processes, place):
    with pytest.raises(TableRefused, match=place):
        read(tmp_path, processes)


@pytest.mark.parametrize(
    "placeholder", ["{secret:nobodys}", "{url:nowhere}", "{magic}", "{port:a}"]
)
def test_an_unknown_placeholder_is_refused_by_name(tmp_path, placeholder):
    process = tables.Process(name="a", command=(), env={"KEY": placeholder})
    from privity_deploy.places import Places

    places = Places(read(tmp_path, ""), root=tmp_path, data_dir=tmp_path)

    with pytest.raises(TableRefused, match=f"process a: .*{placeholder[1:-1]}"):
        environment_of(process, places.look_up)
