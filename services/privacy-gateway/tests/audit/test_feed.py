"""What a customer is told: in words, without naming anyone who works here."""

import pytest

from privacy_gateway.domain.audit.feed import Words, told

WORDS = Words(
    categories={"user.contact.email": "e-mail address", "user.name": "name"},
    purposes={"enquiries": "answering a question about your order", "self_service": "your own use"},
    roles={"support_1": "customer service"},
)
ME, CLERK = "t1:me", "t1:clerk"


def leaf(at="2026-11-22T10:00:00.000000Z", **changes):
    return {
        "v": 1,
        "id": f"rec_{at}",
        "at": at,
        "kind": "read",
        "decision": "allow",
        "subject": ME,
        "actor": CLERK,
        "actor_kind": "staff",
        "role": "support_1",
        "purpose": "enquiries",
        "clauses": ["C2.3"],
        "policy": "2026-11-22",
        "service": "customers",
        "fields": {"mask": {"user.contact.email": ["/email"]}},
    } | changes


def own(at, **changes):
    return leaf(at, actor=ME, actor_kind="customer", purpose="self_service", **changes)


def test_an_access_is_told_in_words():
    [entry] = told([leaf()], WORDS)

    assert entry == {
        "when": "2026-11-22T10:00:00.000000Z",
        "who": "customer service",
        "on_request_of": {"whom": "us"},
        "did": "looked at",
        "what": [{"data": "e-mail address", "seen": "in part"}],
        "why": "answering a question about your order",
        "clauses": ["C2.3"],
        "policy": "2026-11-22",
        "times": 1,
        "record": "rec_2026-11-22T10:00:00.000000Z",
        "records": ["rec_2026-11-22T10:00:00.000000Z"],
        "proof": "/v1/my/accesses/rec_2026-11-22T10:00:00.000000Z/proof",
    }


def test_no_member_of_staff_is_named():
    assert CLERK not in str(told([leaf(), leaf(work="order/t1:order")], WORDS))


def test_what_was_withheld_was_not_seen():
    fields = {"withhold": {"user.contact.email": ["/email"]}, "reveal": {"user.name": ["/name"]}}

    [entry] = told([leaf(fields=fields)], WORDS)

    assert entry["what"] == [{"data": "name", "seen": "in full"}]


def test_what_the_shop_itself_works_with_is_not_listed():
    [entry] = told([leaf(fields={"reveal": {"system.operations": ["/state"]}})], WORDS)

    assert entry["what"] == []


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({"actor": ME, "actor_kind": "customer"}, "you"),
        ({"actor": "svc_orders", "actor_kind": "service"}, "the shop's own programs"),
        ({"role": "support_1"}, "customer service"),
        ({"role": "night_watch"}, "night watch"),
    ],
)
def test_who_it_was_is_a_role(changes, who):
    assert told([leaf(**changes)], WORDS)[0]["who"] == who


@pytest.mark.parametrize(
    ("changes", "did"),
    [
        ({"kind": "disclosure"}, "passed on to a partner"),
        ({"kind": "read", "decision": "refuse"}, "was refused"),
        ({"kind": "refusal", "decision": "refuse"}, "was refused"),
        ({"kind": "collect"}, "gave us"),
    ],
)
def test_what_was_done_is_said(changes, did):
    assert told([leaf(**changes)], WORDS)[0]["did"] == did


def test_a_disclosure_says_to_whom():
    [entry] = told([leaf(kind="disclosure", recipient="rcp_x")], WORDS)

    assert entry["recipient"] == "rcp_x"


def test_ones_own_reads_are_one_entry_a_day_and_purpose():
    leaves = [
        own("2026-11-22T12:00:00.000000Z", fields={"reveal": {"user.name": ["/name"]}}),
        leaf("2026-11-22T11:00:00.000000Z"),
        own("2026-11-22T10:00:00.000000Z"),
        own("2026-11-22T09:00:00.000000Z"),
        own("2026-11-21T23:59:59.999999Z"),
    ]

    entries = told(leaves, WORDS)

    assert [(entry["who"], entry["times"]) for entry in entries] == [
        ("you", 3),
        ("customer service", 1),
        ("you", 1),
    ]
    assert entries[0]["when"] == "2026-11-22T12:00:00.000000Z"
    assert entries[0]["since"] == "2026-11-22T09:00:00.000000Z"
    assert [each["data"] for each in entries[0]["what"]] == ["name", "e-mail address"]


def test_what_others_did_is_never_folded():
    assert len(told([leaf(), leaf(), leaf()], WORDS)) == 3


def test_what_one_did_differently_is_told_apart():
    entries = told(
        [own("2026-11-22T12:00:00.000000Z"), own("2026-11-22T11:00:00.000000Z", kind="collect")],
        WORDS,
    )

    assert [entry["did"] for entry in entries] == ["looked at", "gave us"]


def test_parts_of_one_request_are_one_entry_and_different_requests_are_not():
    name = {"reveal": {"user.name": ["/name"]}}
    entries = told(
        [
            leaf("2026-11-22T10:00:00.000003Z", request="req_b"),
            leaf("2026-11-22T10:00:00.000002Z", request="req_a", fields=name),
            leaf("2026-11-22T10:00:00.000001Z", request="req_a"),
            leaf("2026-11-22T10:00:00.000001Z", request="req_a", actor="t1:other"),
        ],
        WORDS,
    )

    assert [len(entry["records"]) for entry in entries] == [1, 2, 1]
    assert [each["data"] for each in entries[1]["what"]] == ["name", "e-mail address"]
    assert entries[1]["times"] == 1
