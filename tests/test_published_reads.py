"""What a service publishes can be read while the service stands still; what it decides cannot."""

from __future__ import annotations

import signal

from privity_deploy.stack import Stack

from .people import Town


def test_customers_read_their_own_address_while_the_service_that_owns_it_stands_still(
    stack: Stack, town: Town
) -> None:
    owner, stranger = town.customer(), town.customer()
    path = f"/v1/addresses/{owner.address['id']}"

    stack.kill("customers", signal.SIGSTOP)
    try:
        own = owner.who.get(path)
        foreign = stranger.who.ask("GET", path)
    finally:
        stack.kill("customers", signal.SIGCONT)
    decided = stranger.who.ask("GET", path)

    kept = owner.address.keys() - {"privacy"}
    assert {name: own[name] for name in kept} == {name: owner.address[name] for name in kept}
    assert own["privacy"]["record"]
    assert (foreign.status, decided.status) == (503, 404)
    assert owner.address["line1"] not in foreign.body.decode() + decided.body.decode()
