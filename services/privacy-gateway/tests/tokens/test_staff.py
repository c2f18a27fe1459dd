"""The staff directory: what the file says holds, and whoever is not in it is out."""

import json
import time

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, text

from privacy_gateway.domain.staff import file
from privacy_gateway.domain.staff.directory import find_by_username
from privacy_gateway.domain.staff.file import StaffFileError
from privacy_gateway.domain.staff.passwords import Passwords
from privacy_gateway.domain.staff.sign_in import TooManyAttempts, WrongCredentials, sign_in
from privacy_gateway.models import Base, Revocation, SignInAttempts, StaffMember
from privity_database import differences

ROLES = {"warehouse", "support_1", "shop_owner"}
PASSWORD = "correct horse battery"
NOW = 1_800_000_000.0
KEY = bytes(32)


@pytest.fixture(scope="session")
def passwords():
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), mark_key=b"m" * 32)


@pytest.fixture
async def empty(database):
    async with database.transaction() as tx:
        for table in (StaffMember, SignInAttempts, Revocation):
            await tx.execute(delete(table))
    return database


@pytest.fixture
def staff_file(tmp_path):
    """Writes a staff file, with its passwords beside it."""

    def write(*entries, **whole):
        listed = []
        for number, entry in enumerate(entries):
            described = {"username": f"kim{number}", "roles": ["warehouse"], "sites": ["main"]}
            if "password_hash" not in entry:
                secret = tmp_path / f"{number}.password"
                secret.write_text(entry.pop("password", PASSWORD) + "\n")
                secret.chmod(0o600)
                described["password_file"] = secret.name
            listed.append(described | entry)
        path = tmp_path / "staff.json"
        path.write_text(json.dumps({"staff": listed} | whole))
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def applied(empty, passwords, staff_file):
    async def apply(*entries, now=NOW):
        read = file.read(staff_file(*entries), roles=ROLES)
        await file.apply(empty, read, passwords, clock=lambda: now)

    return apply


async def member(database, username):
    async with database.transaction() as tx:
        return await find_by_username(tx, username)


async def revoked(database):
    async with database.transaction() as tx:
        rows = await tx.execute(text("SELECT kind, value, issued_until FROM revocations"))
        return [tuple(row) for row in rows]


async def test_the_file_brings_the_directory_to_what_it_says(applied, database, passwords):
    await applied({"username": "kim"}, {"username": "lee", "roles": ["support_1"], "sites": []})

    kim, lee = await member(database, "kim"), await member(database, "lee")

    assert (kim.roles, kim.sites, kim.active) == (["warehouse"], ["main"], True)
    assert (lee.roles, lee.sites) == (["support_1"], [])
    assert kim.id.startswith("stf_")
    assert passwords.matches(kim.password_hash, PASSWORD)
    assert PASSWORD not in kim.password_hash


async def test_reading_the_same_file_again_changes_nothing(applied, database):
    await applied({"username": "kim"})
    before = await member(database, "kim")

    await applied({"username": "kim"})

    after = await member(database, "kim")
    assert (after.id, after.password_hash) == (before.id, before.password_hash)
    assert await revoked(database) == []


async def test_a_password_that_was_hashed_before_is_not_hashed_again(
    applied, database, passwords, monkeypatch
):
    await applied({"username": "kim"})
    before = await member(database, "kim")
    tried = []
    monkeypatch.setattr(passwords, "matches", lambda *asked: tried.append(asked))

    await applied({"username": "kim"})

    assert tried == []
    assert (await member(database, "kim")).password_hash == before.password_hash


@pytest.mark.parametrize("forged", ["another hash", "another mark"])
async def test_a_hash_that_somebody_else_put_there_is_found_out(
    applied, database, passwords, forged
):
    """Whoever can write to the table has no key for the mark."""
    await applied({"username": "kim"})
    another = passwords.hash("a password of theirs")
    async with database.transaction() as tx:
        kim = await find_by_username(tx, "kim")
        kim.password_hash = another
        if forged == "another mark":
            kim.password_mark = Passwords(mark_key=b"x" * 32).mark(another, PASSWORD)

    await applied({"username": "kim"})

    kim = await member(database, "kim")
    assert passwords.matches(kim.password_hash, PASSWORD)


@pytest.mark.parametrize(
    "change",
    [{"roles": ["support_1"]}, {"sites": []}, {"active": False}, {"password": "another password"}],
)
async def test_whoever_changes_loses_the_tokens_of_before(applied, database, change):
    await applied({"username": "kim"})
    kim = await member(database, "kim")

    await applied({"username": "kim"} | change)

    assert await revoked(database) == [("actor", kim.id, int(NOW))]


async def test_whoever_is_no_longer_listed_no_longer_works_here(applied, database):
    await applied({"username": "kim"}, {"username": "lee"})
    lee = await member(database, "lee")

    await applied({"username": "kim"})

    assert (await member(database, "lee")).active is False
    assert await revoked(database) == [("actor", lee.id, int(NOW))]


async def test_a_hash_can_stand_in_the_file_instead(applied, database, passwords):
    stored = passwords.hash(PASSWORD)

    await applied({"username": "kim", "password_hash": stored})

    assert (await member(database, "kim")).password_hash == stored


@pytest.mark.parametrize(
    "entry",
    [
        {"username": "Kim"},
        {"username": "k"},
        {"username": 7},
        {"roles": ["king"]},
        {"roles": "warehouse"},
        {"sites": ["../main"]},
        {"sites": [1]},
        {"active": "yes"},
        {"password": "short"},
        {"password_file": "nowhere"},
        {"nickname": "k"},
        {"password_file": "0.password", "password_hash": "x"},
    ],
)
async def test_a_file_with_a_mistake_stops_the_start(staff_file, entry):
    with pytest.raises(StaffFileError) as refused:
        file.read(staff_file(entry), roles=ROLES)

    assert "short" not in str(refused.value)


async def test_a_hash_of_another_kind_stops_the_start(applied):
    for stored in ("$2b$12$abcdefghijklmnopq", "plain text", "$argon2i$v=19$m=8,t=1,p=1$YQ$YQ"):
        with pytest.raises(StaffFileError, match="argon2id"):
            await applied({"username": "kim", "password_hash": stored})


async def test_the_same_person_twice_stops_the_start(staff_file):
    with pytest.raises(StaffFileError, match="twice"):
        file.read(staff_file({"username": "kim"}, {"username": "kim"}), roles=ROLES)


async def test_files_that_others_may_read_stop_the_start(staff_file, tmp_path):
    path = staff_file({"username": "kim"})
    (tmp_path / "0.password").chmod(0o640)
    with pytest.raises(StaffFileError, match="mode 600"):
        file.read(path, roles=ROLES)

    path = staff_file({"username": "kim"})
    path.chmod(0o644)
    with pytest.raises(StaffFileError, match="mode 600"):
        file.read(path, roles=ROLES)


async def test_the_right_password_signs_in(applied, database, passwords):
    await applied({"username": "kim"})

    for name in ("kim", " Kim ", "KIM"):
        signed_in = await sign_in(
            database, passwords, names_key=KEY, username=name, password=PASSWORD, now=NOW
        )
        assert signed_in.username == "kim"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("kim", "wrong horse battery"),
        ("kim", ""),
        ("kim", PASSWORD + " "),
        ("kim", PASSWORD + "x" * 2000),
        ("nobody", PASSWORD),
        ("nobody", "a password that nobody has"),
        ("", PASSWORD),
        ("kim\0", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("left", PASSWORD),
    ],
)
async def test_everything_else_gets_one_and_the_same_answer(
    applied, database, passwords, name, password
):
    await applied({"username": "kim"}, {"username": "left", "active": False})

    with pytest.raises(WrongCredentials) as refused:
        await sign_in(database, passwords, names_key=KEY, username=name, password=password, now=NOW)

    assert (refused.value.detail, refused.value.errors) == (None, ())


async def test_five_failures_close_a_name_for_a_quarter_of_an_hour(applied, database, passwords):
    await applied({"username": "kim"})

    async def tries(name, password, now):
        await sign_in(database, passwords, names_key=KEY, username=name, password=password, now=now)

    for name in ("kim", "nobody"):
        for attempt in range(5):
            with pytest.raises(WrongCredentials):
                await tries(name, "wrong", NOW + attempt)
        with pytest.raises(TooManyAttempts) as refused:
            await tries(name, PASSWORD, NOW + 10)
        assert 885 <= refused.value.retry_after <= 900
    await tries("kim", PASSWORD, NOW + 901)


async def test_guesses_at_the_same_time_are_counted_one_by_one(applied, database, passwords):
    import asyncio

    await applied({"username": "kim"})

    outcomes = await asyncio.gather(
        *(
            sign_in(
                database, passwords, names_key=KEY, username="kim", password=f"guess {n}", now=NOW
            )
            for n in range(20)
        ),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes].count(WrongCredentials) == 5
    assert [type(outcome) for outcome in outcomes].count(TooManyAttempts) == 15


async def test_signing_in_clears_the_count(applied, database, passwords):
    await applied({"username": "kim"})
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(WrongCredentials):
                await sign_in(
                    database, passwords, names_key=KEY, username="kim", password="wrong", now=NOW
                )
        await sign_in(
            database, passwords, names_key=KEY, username="kim", password=PASSWORD, now=NOW
        )


async def test_a_name_that_nobody_has_takes_as_long_as_one_that_somebody_has(applied, database):
    await applied({"username": "kim"})
    slow = Passwords(
        PasswordHasher(time_cost=3, memory_cost=32768, parallelism=1), mark_key=b"m" * 32
    )
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE staff SET password_hash = :h"), {"h": slow.hash(PASSWORD)})

    async def took(name):
        begun = time.process_time()
        with pytest.raises(WrongCredentials):
            await sign_in(database, slow, names_key=KEY, username=name, password="wrong", now=NOW)
        return time.process_time() - begun

    known = min([await took("kim") for _ in range(3)])
    unknown = min([await took("nobody") for _ in range(3)])

    assert known > 0.01  # so the comparison means something
    assert 0.5 < unknown / known < 2


async def test_failed_names_are_not_kept_in_the_clear(applied, database, passwords):
    await applied({"username": "kim"})
    with pytest.raises(WrongCredentials):
        await sign_in(
            database, passwords, names_key=KEY, username=PASSWORD, password="kim", now=NOW
        )

    async with database.transaction() as tx:
        rows = await tx.execute(text("SELECT attempts::text FROM sign_in_attempts AS attempts"))
        assert PASSWORD not in str(rows.all())


async def test_the_tables_are_what_the_models_say(gateway_database):
    assert await differences(gateway_database.owner, Base.metadata) == []
