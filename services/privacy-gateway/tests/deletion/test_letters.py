"""The person is told by mail: that it was asked for and how to undo it, and that it begins."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from privacy_gateway.consumers import handlers
from privacy_gateway.domain.deletion import asking, correspondence, telling
from privacy_gateway.domain.deletion.run import PATIENCE, run
from privity_jobs import Job, RetryLater

from .conftest import all_of
from .test_run import receipt, state, wish

MAILBOX = "ada@example.org"


def letters(mail_sink, subject):
    return [mail for _, to, mail in mail_sink.taken if mail["Subject"] == subject]


async def jobs(means, deletion):
    """The letters that wait to be written."""
    rows = await all_of(
        means,
        "SELECT payload->>'letter' FROM jobs"
        " WHERE kind = 'deletion_letter' AND payload->>'deletion_id' = :id",
        id=deletion,
    )
    return [name for (name,) in rows]


async def test_who_asks_is_told_until_when_it_can_be_undone_and_how(means, a_person, mail_sink):
    deletion = await wish(means, await a_person())
    assert await jobs(means, deletion) == ["asked"]

    for _ in range(3):  # a job that runs again writes no second letter
        await correspondence.write(deletion, "asked", by=means)

    [(sender, to, mail)] = mail_sink.taken
    assert (sender, to) == ("post@shop.example", [MAILBOX])
    assert mail["Subject"] == "Your data will be deleted"
    text = mail.get_content()
    end = means.clock() + timedelta(days=3)
    assert end.strftime("%Y-%m-%d %H:%M UTC") in text
    assert "take the request back" in text
    assert "Ada" not in text


async def test_somebody_for_whom_staff_asks_is_told_too_and_has_the_whole_grace(
    means, a_person, mail_sink, clock
):
    """Where a second person has to agree, it counts from when they do."""
    first, second = [await wish(means, await a_person(), by="stf_a") for _ in range(2)]
    assert (await state(means, second))[0] == "proposed"
    assert (await jobs(means, first), await jobs(means, second)) == (["asked"], [])
    clock.ahead(days=10)

    async with means.database.transaction() as tx:
        deletion = await asking.find(tx, second, lock=True)
        await asking.approve(tx, deletion, by="stf_b", file=means.policy.file, now=clock())

    await correspondence.write(second, "asked", by=means)
    [mail] = letters(mail_sink, "Your data will be deleted")
    assert (clock() + timedelta(days=3)).strftime("%Y-%m-%d %H:%M UTC") in mail.get_content()


async def test_what_is_undone_is_not_announced(means, a_person, mail_sink):
    person = await a_person()
    deletion = await wish(means, person)
    async with means.database.transaction() as tx:
        await asking.undo(tx, await asking.of(tx, person.id, lock=True), now=means.clock())

    await correspondence.write(deletion, "asked", by=means)

    assert mail_sink.taken == []


async def test_who_was_told_that_it_comes_is_told_that_it_does_not(means, a_person, mail_sink):
    """Also when staff had asked for it, and once; nobody else learns whose it was."""
    theirs, by_staff = await a_person(), await a_person()
    for person, declined in ((theirs, False), (by_staff, True)):
        deletion = await wish(means, person, by="stf_d" if declined else None)
        for _ in range(2):
            async with means.database.transaction() as tx:
                found = await asking.find(tx, deletion, lock=True)
                await asking.undo(tx, found, now=means.clock(), declined=declined)
        await written(means, deletion)
        await written(means, deletion)

    sent = letters(mail_sink, "Your data stays")
    assert len(sent) == 2
    assert "choose another password" in sent[0].get_content().replace("\n", " ")
    assert "Ada" not in sent[0].get_content()


async def test_who_was_told_nothing_is_told_nothing_when_it_is_declined(means, a_person, mail_sink):
    await wish(means, await a_person(), by="stf_c")
    proposed = await wish(means, await a_person(), by="stf_c")
    async with means.database.transaction() as tx:
        found = await asking.find(tx, proposed, lock=True)
        await asking.undo(tx, found, now=means.clock(), declined=True)

    assert await jobs(means, proposed) == []


async def test_who_is_gone_by_then_is_written_to_no_more(means, a_person, mail_sink):
    person = await a_person()
    first = await wish(means, person)
    async with means.database.transaction() as tx:
        await asking.undo(tx, await asking.find(tx, first, lock=True), now=means.clock())
    await run(await wish(means, person), by=means)

    await written(means, first)

    assert letters(mail_sink, "Your data stays") == []


async def written(means, deletion):
    """Its letters' jobs, run as the worker runs them."""
    write = handlers(means)[telling.LETTER]
    rows = await all_of(
        means,
        "SELECT payload FROM jobs WHERE kind = 'deletion_letter'"
        " AND payload->>'deletion_id' = :id AND payload->>'letter' = 'undone'",
        id=deletion,
    )
    assert len(rows) == 1
    await write(Job(1, telling.LETTER, telling.LETTER, rows[0][0], 1, uuid4()))


async def test_the_last_letter_is_sent_before_the_first_key_goes(means, a_person, mail_sink):
    taken = []

    async def watched(place, now):
        taken.append(len(mail_sink.taken))
        await means.destroy(place, now)

    deletion = await wish(means, await a_person())
    await run(deletion, by=replace(means, destroy=watched))

    assert taken
    assert min(taken) == 1
    [(_, to, mail)] = mail_sink.taken
    assert to == [MAILBOX]
    assert mail["Subject"] == "Your data is being deleted"
    assert deletion in mail.get_content()
    assert (await receipt(means, deletion))["letter"] == "sent"


async def test_a_mail_server_that_is_away_puts_it_off_and_does_not_stop_it(
    means, a_person, mail_sink, clock, opens
):
    person = await a_person()
    deletion = await wish(means, person)
    clock.ahead(days=3)
    mail_sink.data = "451 later"

    with pytest.raises(RetryLater):
        await run(deletion, by=means)
    assert await opens(person) == 6
    assert (await state(means, deletion))[:2] == ("running", "signed_out")

    clock.now += PATIENCE
    await run(deletion, by=means)
    assert await opens(person) == 0
    assert (await receipt(means, deletion))["letter"] == "not_sent"


async def test_a_mailbox_that_is_none_any_more_keeps_nobody(means, a_person, mail_sink, opens):
    person = await a_person()
    mail_sink.rcpt = "550 no such mailbox"
    deletion = await wish(means, person)

    await run(deletion, by=means)

    assert await opens(person) == 0
    assert (await receipt(means, deletion))["letter"] == "refused"


async def test_each_letter_is_on_record_as_given_to_the_mail_provider(
    means, a_person, mail_sink, as_owner
):
    deletion = await wish(means, await a_person())
    await correspondence.write(deletion, "asked", by=means)

    rows = await as_owner.fetch(
        "SELECT convert_from(leaf, 'UTF8') AS leaf FROM records ORDER BY recorded_at DESC LIMIT 1"
    )
    assert '"kind":"disclosure"' in rows[0]["leaf"]
    assert re.search(r'"reveal":\{"user\.contact\.email":\["email"\]\}', rows[0]["leaf"])
    assert MAILBOX not in rows[0]["leaf"]
