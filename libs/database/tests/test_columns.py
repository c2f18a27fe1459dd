"""Sealed values and blind indexes, through a real table."""

import pytest
from sqlalchemy import Integer, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from privity_contracts import BlindIndex, Sealed
from privity_contracts.ids import mint
from privity_database import Database, SealedText, blind_index


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[Sealed | None] = mapped_column(SealedText)
    email_index: Mapped[BlindIndex | None] = blind_index("email_index")


SEALED = Sealed(f"s1:{mint('key')}:user.contact.email:{'A' * 64}")
FORMS = [f"b1:{number}:" + "A" * 32 for number in range(3)]
INDEX = BlindIndex(FORMS[0])


@pytest.fixture(scope="module")
async def database(make_database):
    database = Database(make_database("columns").owner, pool_size=2)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.dispose()


async def test_a_sealed_value_comes_back_sealed_and_can_be_found_by_its_index(database):
    async with database.transaction() as tx:
        tx.add(Person(id=1, email=SEALED, email_index=INDEX))

    async with database.transaction() as tx:
        found = await tx.scalar(select(Person).where(Person.email_index == INDEX))
        stored = await tx.scalar(text("SELECT email FROM person WHERE id = 1"))

    assert found is not None
    assert found.email == SEALED
    assert found.email_index == INDEX
    assert stored == SEALED.token
    assert SEALED.token not in repr(found.email)


async def test_nothing_stays_nothing(database):
    async with database.transaction() as tx:
        tx.add(Person(id=2, email=None, email_index=None))

    async with database.transaction() as tx:
        found = await tx.get(Person, 2)

    assert found is not None
    assert (found.email, found.email_index) == (None, None)


@pytest.mark.parametrize("column", ["email", "email_index_even"])
async def test_plain_text_is_refused_without_being_quoted(database, column):
    with pytest.raises(StatementError) as refusal:
        async with database.transaction() as tx:
            await tx.execute(insert(Person).values({"id": 3, column: "ada@example.org"}))

    assert not isinstance(refusal.value, DBAPIError)
    assert "ada@example.org" not in str(refusal.value)


async def test_plain_text_that_got_into_the_table_is_not_handed_out(database):
    async with database.transaction() as tx:
        await tx.execute(text("INSERT INTO person (id, email) VALUES (4, 'ada@example.org')"))

    with pytest.raises(ValueError, match="not a sealed value"):
        async with database.transaction() as tx:
            await tx.get(Person, 4)


async def test_an_index_is_found_by_any_form_that_it_shares(database):
    overlapping = BlindIndex(",".join(FORMS[1::-1]))
    async with database.transaction() as tx:
        tx.add(Person(id=5, email=None, email_index=overlapping))

    async with database.transaction() as tx:
        for asked, found in (
            (FORMS[1], [5]),
            (",".join(FORMS[:2]), [1, 5]),
            (",".join(FORMS[1:]), [5]),
            (FORMS[2], []),
        ):
            query = select(Person.id).where(Person.email_index == BlindIndex(asked))
            assert list(await tx.scalars(query.order_by(Person.id))) == found
        person = await tx.get(Person, 5)
        person.email_index = BlindIndex(FORMS[2])

    async with database.transaction() as tx:
        query = select(Person.id).where(Person.email_index == overlapping)
        assert list(await tx.scalars(query)) == [1]


def test_an_index_has_one_form_for_each_slot():
    assert BlindIndex(f"{FORMS[1]},{FORMS[2]}").slots == (FORMS[2], FORMS[1])
    with pytest.raises(ValueError, match="each slot"):
        BlindIndex(f"{FORMS[0]},{FORMS[2]}")
