"""Deliveries reach the address that was checked, and wait for nobody for long."""

import asyncio
import time

import pytest

from privacy_gateway.clients.endpoints import AllowedAddresses, UnsafeEndpoint
from privacy_gateway.clients.webhooks import (
    AT_ONCE,
    AllTaken,
    Unreachable,
    WebhookAnswer,
    Webhooks,
)

BODY = b'{"type":"delivery_request"}'
HEADERS = {"content-type": "application/json", "webhook-id": "dlv_1"}


def webhooks_to(*partners, **how) -> Webhooks:
    listed = [f"127.0.0.1:{partner.port}" for partner in partners]
    return Webhooks(allowed=AllowedAddresses(listed), **how)


async def post(webhooks: Webhooks, url: str) -> WebhookAnswer:
    return await webhooks.post(await webhooks.find(url), body=BODY, headers=HEADERS)


async def test_a_delivery_arrives_as_it_was_sent(start_partner) -> None:
    partner = await start_partner(status=202)

    answer = await post(webhooks_to(partner), partner.url)

    (received,) = partner.received
    assert answer == WebhookAnswer(202, None)
    assert (received.target, received.body) == ("/hooks/privity", BODY)
    assert received.headers["webhook-id"] == "dlv_1"
    assert received.headers["host"] == f"127.0.0.1:{partner.port}"


async def test_an_address_that_is_not_listed_is_not_connected_to(start_partner) -> None:
    partner, other = await start_partner(), await start_partner()

    with pytest.raises(UnsafeEndpoint):
        await post(webhooks_to(other), partner.url)

    assert partner.connections == 0


async def test_a_redirect_is_an_answer_and_not_followed(start_partner) -> None:
    target = await start_partner()
    partner = await start_partner(status=307, headers={"location": target.url})

    answer = await post(webhooks_to(partner, target), partner.url)

    assert answer.status == 307
    assert target.connections == 0


async def test_proxies_of_the_environment_are_not_used(start_partner, monkeypatch) -> None:
    partner, proxy = await start_partner(), await start_partner()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

    await post(webhooks_to(partner), partner.url)

    assert (len(partner.received), proxy.connections) == (1, 0)


async def test_retry_after_is_handed_on(start_partner) -> None:
    partner = await start_partner(status=429, headers={"Retry-After": "7"})

    assert await post(webhooks_to(partner), partner.url) == WebhookAnswer(429, "7")


@pytest.mark.parametrize(
    ("misbehaviour", "reason"),
    [
        ({"hangs_up": True}, "no_answer"),
        ({"raw": b"\x00\xff not http\r\n\r\n"}, "no_answer"),
        ({"raw": b"HTTP/1.1 204 X\r\nx: " + b"a" * 200_000}, "no_answer"),
        ({"silent": True}, "timeout"),
        ({"raw": b"HTTP/1.1 204 X\r\nx: still coming"}, "no_answer"),
    ],
)
async def test_whatever_a_partner_does_wrong_has_a_code(
    start_partner, misbehaviour, reason: str
) -> None:
    partner = await start_partner(**misbehaviour)

    seconds = 0.3 if reason == "timeout" else 10

    with pytest.raises(Unreachable, match=reason):
        await post(webhooks_to(partner, total_seconds=seconds), partner.url)


async def test_the_body_of_an_answer_is_not_waited_for(start_partner) -> None:
    partner = await start_partner(raw=b"HTTP/1.1 200 X\r\ncontent-length: 999999999\r\n\r\nabc")
    begun = time.monotonic()

    answer = await post(webhooks_to(partner), partner.url)

    assert answer.status == 200
    assert time.monotonic() - begun < 2


async def test_a_partner_who_is_not_there_is_unreachable(start_partner) -> None:
    partner = await start_partner()
    webhooks = webhooks_to(partner)
    listening, partner.port = partner.port, 1

    with pytest.raises(UnsafeEndpoint):
        await post(webhooks, partner.url)
    partner.port = listening
    gone = Webhooks(allowed=AllowedAddresses(["127.0.0.1:1"]))
    with pytest.raises(Unreachable, match="no_answer"):
        await post(gone, "http://127.0.0.1:1/")


async def test_one_dead_partner_slows_no_other(start_partner) -> None:
    dead, alive = await start_partner(silent=True), await start_partner()
    webhooks = webhooks_to(dead, alive, total_seconds=4)

    async def deliver(name: str, url: str) -> None:
        async with webhooks.turn(name):
            await post(webhooks, url)

    stuck = [asyncio.create_task(deliver("dead", dead.url)) for _ in range(AT_ONCE * 3)]
    while dead.under_way < AT_ONCE:  # noqa: ASYNC110  # a stand-in without events
        await asyncio.sleep(0.01)
    await asyncio.gather(*(deliver("alive", alive.url) for _ in range(10)))
    still_stuck = dead.under_way
    outcomes = await asyncio.gather(*stuck, return_exceptions=True)

    assert still_stuck == AT_ONCE
    assert len(alive.received) == 10
    assert dead.most_under_way == AT_ONCE
    assert sum(isinstance(each, AllTaken) for each in outcomes) == AT_ONCE * 2
    assert sum(isinstance(each, Unreachable) for each in outcomes) == AT_ONCE


async def test_a_place_is_given_back_whatever_happened(start_partner) -> None:
    partner = await start_partner(hangs_up=True)
    webhooks = webhooks_to(partner)

    for _ in range(AT_ONCE * 2):
        with pytest.raises(Unreachable):
            async with webhooks.turn("rcp"):
                await post(webhooks, partner.url)


class TestByName:
    """Through a name server and TLS, as for a partner out there."""

    async def test_a_name_is_looked_up_and_its_certificate_checked(
        self, start_partner, names, certificates
    ) -> None:
        partner = await start_partner(certificate=certificates.partners)
        names["carrier.test"] = [["127.0.0.1"]]
        webhooks = webhooks_to(partner, resolver=names.resolver, certificates=certificates.trusted)

        answer = await post(webhooks, f"https://carrier.test:{partner.port}/h?x=1")

        assert answer.status == 204
        assert partner.received[0].target == "/h?x=1"
        assert partner.received[0].headers["host"] == f"carrier.test:{partner.port}"

    async def test_another_names_certificate_is_refused(
        self, start_partner, names, certificates
    ) -> None:
        partner = await start_partner(certificate=certificates.partners)
        names["other.test"] = [["127.0.0.1"]]
        webhooks = webhooks_to(partner, resolver=names.resolver, certificates=certificates.trusted)

        with pytest.raises(Unreachable, match="tls_failed"):
            await post(webhooks, f"https://other.test:{partner.port}/")
        assert partner.received == []

    async def test_an_unknown_certificate_is_refused(
        self, start_partner, names, certificates
    ) -> None:
        partner = await start_partner(certificate=certificates.partners)
        names["carrier.test"] = [["127.0.0.1"]]
        webhooks = webhooks_to(partner, resolver=names.resolver)

        with pytest.raises(Unreachable, match="tls_failed"):
            await post(webhooks, f"https://carrier.test:{partner.port}/")
        assert partner.received == []

    async def test_a_name_without_an_address_and_a_silent_name_server_are_unreachable(
        self, names
    ) -> None:
        names["empty.test"] = [[]]
        webhooks = Webhooks(allowed=AllowedAddresses(), resolver=names.resolver)

        for host in ("nowhere.test", "empty.test"):
            with pytest.raises(Unreachable, match="name_not_found"):
                await webhooks.find(f"https://{host}/")
        names.server.silent = True
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="name_not_found"):
            await webhooks.find("https://carrier.test/")
        assert time.monotonic() - begun < 4

    @pytest.mark.parametrize(
        "found",
        [
            ["10.0.0.1"],
            ["169.254.169.254"],
            ["93.184.215.14", "127.0.0.1"],
            ["93.184.215.14", "::1"],
            ["::ffff:127.0.0.1"],
            ["64:ff9b::7f00:1"],
            ["2002:7f00:1::1"],
            ["fec0::1"],
        ],
    )
    async def test_a_public_name_for_a_private_address_is_refused(self, names, found) -> None:
        names["carrier.test"] = [found]
        webhooks = Webhooks(allowed=AllowedAddresses(), resolver=names.resolver)

        with pytest.raises(UnsafeEndpoint, match="private_address"):
            await webhooks.find("https://carrier.test/")

    async def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
        self, start_partner, names, certificates, diverted
    ) -> None:
        inside = await start_partner(certificate=certificates.partners)
        outside = await start_partner(certificate=certificates.partners)
        names["carrier.test"] = [["93.184.215.14"], ["127.0.0.1"]]
        network = diverted({"93.184.215.14": outside.port})
        webhooks = Webhooks(
            allowed=AllowedAddresses(),
            resolver=names.resolver,
            certificates=certificates.trusted,
            network=network,
        )

        destination = await webhooks.find("https://carrier.test/")
        assert names.server.names["carrier.test"] == [["127.0.0.1"]]  # it has changed by now
        answer = await webhooks.post(destination, body=BODY, headers=HEADERS)

        assert answer.status == 204
        assert network.asked == [("93.184.215.14", 443)]
        assert (len(outside.received), inside.connections) == (1, 0)
        assert names.server.asked == ["carrier.test AAAA", "carrier.test A"]

    async def test_a_peer_that_is_not_at_the_checked_address_gets_nothing(
        self, start_partner, names, certificates, diverted
    ) -> None:
        inside = await start_partner(certificate=certificates.partners)
        names["carrier.test"] = [["93.184.215.14"]]
        webhooks = Webhooks(
            allowed=AllowedAddresses(),
            resolver=names.resolver,
            certificates=certificates.trusted,
            network=diverted({"93.184.215.14": inside.port}, disguised=False),
        )

        with pytest.raises(Unreachable, match="another_peer"):
            await post(webhooks, "https://carrier.test/")

        assert inside.received == []

    async def test_the_next_address_is_tried_when_the_first_does_not_answer(
        self, start_partner, names, certificates, diverted
    ) -> None:
        partner = await start_partner(certificate=certificates.partners)
        names["carrier.test"] = [["2606:4700:4700::1111", "93.184.215.14"]]
        network = diverted({"93.184.215.14": partner.port})
        webhooks = Webhooks(
            allowed=AllowedAddresses(),
            resolver=names.resolver,
            certificates=certificates.trusted,
            network=network,
        )

        assert (await post(webhooks, "https://carrier.test/")).status == 204
        assert [address for address, _ in network.asked] == [
            "2606:4700:4700::1111",
            "93.184.215.14",
        ]
