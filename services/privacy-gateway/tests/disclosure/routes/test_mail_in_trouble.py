"""A message that cannot be sent now is sent later; one that may not be sent never is."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from privacy_gateway.domain.disclosure import messages
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.models import Message

URL = "/v1/messages"
EMAIL = "aiko@customers.example"


class TestTrouble:
    @pytest.mark.parametrize(
        "how",
        [
            {"rcpt": "451 busy with aiko@customers.example"},
            {"rcpt": "554 relaying denied"},
            {"data": "452 full"},
            {"data": "554 not from you"},
            {"silent": True},
        ],
    )
    async def test_what_the_server_does_not_take_now_is_sent_later(
        self, gateway, mail_sink, provider, how, caplog
    ) -> None:
        body = await gateway.message()
        before = dict(vars(mail_sink))
        vars(mail_sink).update(how)

        first = await gateway.send("customers", "POST", URL, body)
        vars(mail_sink).update({name: before[name] for name in how})
        second = await gateway.send("customers", "POST", URL, body)

        assert (first.status_code, first.json()["code"]) == (503, "message_not_sent")
        assert second.json() == {"outcome": "sent"}
        assert len(mail_sink.taken) == 1
        assert EMAIL not in first.text
        assert not any(r.name.startswith("privity") and EMAIL in str(r) for r in caplog.records)

    async def test_a_mailbox_that_does_not_exist_is_not_tried_for_ever(
        self, gateway, mail_sink, provider
    ) -> None:
        body = await gateway.message()
        mail_sink.rcpt = "550 no such user aiko@customers.example"

        answers = [await gateway.send("customers", "POST", URL, body) for _ in range(2)]

        assert [each.json() for each in answers] == [{"outcome": "refused"}] * 2
        assert all(each.status_code == 202 for each in answers)

    async def test_a_process_that_died_in_the_middle_is_waited_for_and_no_longer(
        self, gateway, mail_sink, provider
    ) -> None:
        body = await gateway.message()
        now = datetime.now(UTC)
        async with gateway.means.database.transaction() as tx:
            row = Message(
                id=body["id"],
                recipient_id=provider["id"],
                template=body["template"],
                claimed_until=now + messages.CLAIM,
            )
            tx.add(row)

        waiting = await gateway.send("customers", "POST", URL, body)
        async with gateway.means.database.transaction() as tx:
            past = now - timedelta(seconds=1)
            await tx.execute(
                update(Message).where(Message.id == body["id"]).values(claimed_until=past)
            )
        taken_over = await gateway.send("customers", "POST", URL, body)

        assert (waiting.status_code, waiting.json()["code"]) == (503, "message_under_way")
        assert taken_over.json() == {"outcome": "sent"}

    async def test_deleted_data_is_mailed_nowhere(
        self, gateway, mail_sink, provider, destroy
    ) -> None:
        body = await gateway.message()
        place = Place(body["subject_id"], f"account/{body['subject_id']}", "identity")
        await destroy(place, now=datetime.now(UTC))

        answer = await gateway.send("customers", "POST", URL, body)

        assert answer.json() == {"outcome": "deleted"}
        assert mail_sink.taken == []

    async def test_anothers_address_does_not_open(self, gateway, mail_sink, provider) -> None:
        mine, theirs = await gateway.message(), await gateway.message()

        answer = await gateway.send("customers", "POST", URL, mine | {"email": theirs["email"]})

        assert (answer.status_code, answer.json()["code"]) == (403, "not_in_scope")
        assert mail_sink.taken == []

    async def test_with_the_audit_store_gone_nothing_is_opened_or_sent(
        self, gateway, mail_sink, provider
    ) -> None:
        body = await gateway.message()
        opened = gateway.means.vault.opened
        await gateway.means.audit.close()

        answer = await gateway.send("customers", "POST", URL, body)

        assert answer.status_code == 503
        assert (mail_sink.taken, gateway.means.vault.opened) == ([], opened)


class TestWithoutAValidAgreement:
    async def refused(self, gateway, mail_sink, reason: str) -> None:
        answer = await gateway.send("customers", "POST", URL, await gateway.message())

        assert (answer.status_code, answer.json()["code"]) == (503, "message_not_sent")
        assert mail_sink.taken == []
        (record,) = await gateway.records(answer)
        assert (record["decision"], record["reason"]) == ("refuse", reason)

    async def test_a_provider_who_is_not_registered_gets_nothing(self, gateway, mail_sink) -> None:
        await gateway.recipient(kind="mail", endpoint="smtp://another.example:25")

        await self.refused(gateway, mail_sink, "no_recipient")

    async def test_a_suspended_one_gets_nothing(self, gateway, mail_sink, provider) -> None:
        path = f"/v1/recipients/{provider['id']}/status"
        await gateway.send("owner", "PUT", path, {"status": "suspended"})

        await self.refused(gateway, mail_sink, "recipient_suspended")

    async def test_one_who_did_not_sign_for_codes_gets_none(self, gateway, mail_sink) -> None:
        added = await gateway.recipient(kind="mail", endpoint=f"smtp://127.0.0.1:{mail_sink.port}")
        await gateway.agreement(
            added["id"], purposes=["account_opening"], categories=["user.contact.email"]
        )

        await self.refused(gateway, mail_sink, "category_not_agreed")
