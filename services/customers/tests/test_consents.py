"""What customers agree to, and take back."""

import asyncio

import pytest

from privity_contracts.ids import mint

IN_FORCE = "2026-11-22"
MARKETING = "/v1/consents/marketing"
GIVE = {"given": True, "policy_version": IN_FORCE}
GATEWAY = {"privity_caller": "service", "privity_actor": "svc_privacy-gateway"}


@pytest.fixture(autouse=True)
def _policy(door):
    yield
    door.gateway.policy, door.gateway.closed = IN_FORCE, False


async def put(door, customer, body):
    return await door.ask("PUT", MARKETING, body, customer=customer)


async def read(door, path, customer):
    answer = await door.ask("GET", path, customer=customer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def state(door, customer):
    path = f"/v1/consents/{customer.account_id}/state"
    return (await door.ask("GET", path, **GATEWAY)).json()["marketing"]


async def test_nothing_is_agreed_to_before_somebody_says_so(door, a_customer):
    customer = await a_customer()

    consents = await read(door, "/v1/consents", customer)

    nothing = {"name": "marketing", "given": False, "policy_version": None, "at": None}
    assert consents == {"subject_id": customer.account_id, "items": [nothing]}
    assert await state(door, customer) == {"given": False, "version": None, "at": None}


async def test_a_consent_counts_from_its_being_given_to_its_withdrawal(door, a_customer):
    customer, other = await a_customer(), await a_customer()

    given = await put(door, customer, GIVE)
    during = await state(door, customer)
    withdrawn = await put(door, customer, {"given": False})
    afterwards = await state(door, customer)

    assert (given.status_code, withdrawn.status_code) == (200, 200)
    assert given.json()["subject_id"] == customer.account_id
    assert (during["given"], during["version"]) == (True, IN_FORCE)
    assert (afterwards["given"], withdrawn.json()["given"]) == (False, False)
    assert (await state(door, other))["given"] is False
    events = await door.events(subject_id=customer.account_id)
    [event] = [one for one in events if one["type"].startswith("consent.")]
    assert event["type"] == "consent.withdrawn"
    assert event["data"] == {"subject_id": customer.account_id, "consent": "marketing"}


async def test_saying_it_twice_or_at_once_is_saying_it_once(door, a_customer):
    customer = await a_customer()

    given = await asyncio.gather(*(put(door, customer, GIVE) for _ in range(6)))
    withdrawn = [await put(door, customer, {"given": False}) for _ in range(3)]

    assert len({a.text for a in given}) == len({a.text for a in withdrawn}) == 1
    history = await read(door, f"{MARKETING}/history", customer)
    assert [one["given"] for one in history["items"]] == [True, False]
    events = await door.events(subject_id=customer.account_id)
    assert [e["type"] for e in events if e["type"].startswith("consent.")] == ["consent.withdrawn"]


async def test_nobody_agrees_to_a_policy_that_is_not_the_present_one(door, a_customer):
    customer = await a_customer()
    await put(door, customer, GIVE)
    door.gateway.policy = "2027-01-01"

    old = await put(door, customer, GIVE)
    unread = await put(door, customer, {"given": True})
    kept = await state(door, customer)
    new = await put(door, customer, GIVE | {"policy_version": "2027-01-01"})

    assert (old.status_code, old.json()["code"]) == (409, "another_policy_in_force")
    assert unread.json()["errors"] == [{"field": "/policy_version", "code": "required"}]
    assert (kept["given"], kept["version"]) == (True, IN_FORCE)
    assert new.json()["policy_version"] == "2027-01-01"
    history = await read(door, f"{MARKETING}/history", customer)
    assert [one["policy_version"] for one in history["items"]] == [IN_FORCE, "2027-01-01"]


async def test_withdrawing_needs_nothing_and_waits_for_nobody(door, a_customer):
    customer, silent = await a_customer(), await a_customer()
    await put(door, customer, GIVE)
    door.gateway.closed = True

    withdrawn = await put(door, customer, {"given": False})
    nothing = await put(door, silent, {"given": False})
    giving = await put(door, customer, GIVE)

    assert (withdrawn.status_code, nothing.status_code, giving.status_code) == (200, 200, 503)
    assert (await state(door, customer))["given"] is False
    assert (await read(door, f"{MARKETING}/history", silent))["items"] == []


async def test_only_what_is_on_the_list_can_be_agreed_to(door, a_customer):
    customer = await a_customer()

    for name in ("sale", "MARKETING", "marketing%20"):
        answer = await door.ask("PUT", f"/v1/consents/{name}", GIVE, customer=customer)
        assert answer.status_code == 422
    wild = await put(door, customer, GIVE | {"policy_version": "whatever"})
    assert wild.status_code == 422
    assert (await state(door, customer))["given"] is False


async def test_a_receipt_says_who_agreed_to_what_when_and_how_to_end_it(door, a_customer):
    customer = await a_customer()
    none = await door.ask("GET", f"{MARKETING}/receipt", customer=customer)
    await put(door, customer, GIVE)
    await put(door, customer, {"given": False})

    receipt = await read(door, f"{MARKETING}/receipt", customer)

    assert (none.status_code, none.json()["code"]) == (404, "consent_never_given")
    assert receipt["type"] == "dpv:ConsentReceipt"
    assert receipt["@context"]["dpv"] == "https://w3id.org/dpv#"
    assert receipt["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#receipt"
    record = receipt["dpv:hasRecordOfActivity"]
    assert record["type"] == "dpv:ConsentRecord"
    assert record["dpv:hasDataSubject"]["id"] == f"urn:privity:{customer.account_id}"
    assert record["dpv:hasDataController"]["dpv:hasName"] == "Example Shop"
    assert record["dpv:hasJurisdiction"] == "loc:DE"
    assert record["dpv:hasProcess"]["dpv:hasPurpose"] == "dpv:DirectMarketing"
    assert record["dpv:hasNotice"]["dct:hasVersion"] == IN_FORCE
    assert record["dpv:hasRight"]["type"] == ["dpv:DataSubjectRight", "eu-gdpr:A7-3"]
    assert record["dpv:hasConsentControl"]["dpv:isExercisedAt"].endswith(MARKETING)
    said = [status["type"] for status in record["dpv:hasConsentStatus"]]
    assert said == [["dpv:ConsentGiven", "dpv:ExpressedConsent"], ["dpv:ConsentWithdrawn"]]
    prefixes = set(receipt["@context"])
    assert (receipt["@context"]["id"], receipt["@context"]["type"]) == ("@id", "@type")
    used = {key.partition(":")[0] for key in [*receipt, *record] if ":" in key}
    assert used <= prefixes


async def test_consents_are_their_customers_alone(door, a_customer):
    customer = await a_customer()
    staff = {"privity_caller": "staff", "privity_actor": mint("stf")}

    for who in ({}, {"customer": customer, **staff}, GATEWAY):
        for method, path, body in (
            ("GET", "/v1/consents", None),
            ("PUT", MARKETING, GIVE),
            ("GET", f"{MARKETING}/history", None),
            ("GET", f"{MARKETING}/receipt", None),
        ):
            assert (await door.ask(method, path, body, **who)).status_code == 403
    path = f"/v1/consents/{customer.account_id}/state"
    orders = {"privity_caller": "service", "privity_actor": "svc_orders"}
    for who in ({}, {"customer": customer}, {"customer": customer, **staff}, orders):
        assert (await door.ask("GET", path, **who)).status_code == 403
