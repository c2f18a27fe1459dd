"""What a grant's work covers, case by case: one rule for every answer that goes out."""

from dataclasses import replace

import pytest

from privacy_gateway.domain.tokens.caller import VISITOR

MINE, OTHER = "cus_1", "cus_2"
STAFF = replace(VISITOR, kind="staff", actor="stf_1", role="support_1", purpose="enquiries")
A_CASE = replace(
    STAFF, work_subject=MINE, work_scopes=frozenset({"account/cus_1", "case/1", "order/1"})
)
A_PERSON = replace(STAFF, work_subject=MINE)
AN_ORDER = replace(STAFF, work_scopes=frozenset({"order/1"}))
A_SITE = replace(STAFF, work_scopes=frozenset({"order/*"}))
THE_SHOP = STAFF


@pytest.mark.parametrize(
    ("caller", "subject", "scope", "covered"),
    [
        (A_CASE, MINE, "order/1", True),
        (A_CASE, MINE, "account/cus_1", True),
        (A_CASE, MINE, None, True),
        (A_CASE, MINE, "order/2", False),
        (A_CASE, OTHER, "order/1", False),
        (A_CASE, OTHER, None, False),
        (A_PERSON, MINE, "order/2", True),
        (A_PERSON, MINE, None, True),
        (A_PERSON, OTHER, "order/2", False),
        (AN_ORDER, MINE, "order/1", True),
        (AN_ORDER, MINE, "order/11", False),
        (AN_ORDER, MINE, "account/cus_1", False),
        (AN_ORDER, MINE, None, False),
        (A_SITE, MINE, "order/1", True),
        (A_SITE, OTHER, "order/2", True),
        (A_SITE, MINE, None, True),
        (A_SITE, MINE, "account/cus_1", False),
        (A_SITE, MINE, "case/1", False),
        (THE_SHOP, MINE, "order/1", True),
    ],
)
def test_what_the_work_covers(caller, subject, scope, covered):
    assert caller.covers(subject=subject, scope=scope) is covered


def test_services_are_told_what_the_work_covers():
    headers = A_CASE.headers("req_1")

    assert headers["Privity-Work-Subject"] == MINE
    assert headers["Privity-Work-Scopes"] == "account/cus_1 case/1 order/1"
    assert "Privity-Work-Scopes" not in A_PERSON.headers("req_1")
    assert "Privity-Subject" not in headers  # that is whose token it is
