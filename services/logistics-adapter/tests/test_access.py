"""Customers see their own shipments, staff those that are their work, and nobody learns of more."""

from typing import Any

import httpx
import pytest

from logistics_adapter.main import contract
from logistics_adapter.models import Base
from privity_contracts.ids import mint
from privity_database import differences
from privity_postgres.testing import DatabaseUrls

from .conftest import CARRIER, DISPATCHER, OWNER, Api, Gateway, Pack, customer, partner


async def both(api: Api, shipment: dict[str, Any], who: dict[str, str]) -> list[httpx.Response]:
    paths = (f"/v1/shipments/{shipment['id']}", f"/v1/orders/{shipment['order_id']}/shipment")
    return [await api("GET", path, who) for path in paths]


async def test_a_customer_sees_their_own_shipment_and_a_stranger_sees_none(
    api: Api, pack: Pack, route: None
) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "handed_over")

    for answer in await both(api, shipment, customer(packed.subject_id)):
        assert answer.status_code == 200
        assert answer.json()["subject_id"] == packed.subject_id
    unknown = await api("GET", f"/v1/shipments/{mint('shp')}", customer(packed.subject_id))
    for answer in await both(api, shipment, customer(mint("cus"))):
        assert answer.status_code == 404
        assert answer.json() == unknown.json()


async def test_staff_reach_what_their_work_names(api: Api, pack: Pack, route: None) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "handed_over")

    def at(work: str) -> dict[str, str]:
        return {**DISPATCHER, "work": work}

    for work, status in (
        ("site/north", 200),
        (f"order/{packed.order_id}", 200),
        ("site/south", 404),
        (f"order/{mint('ord')}", 404),
        ("order/", 403),
        ("", 403),
    ):
        for answer in await both(api, shipment, at(work)):
            assert answer.status_code == status, work


async def test_a_case_reaches_the_shipment_of_the_order_that_it_is_about(
    api: Api, pack: Pack, route: None
) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "handed_over")
    case, subject = f"case/{mint('cas')}", packed.subject_id

    def at(*scopes: str, of: str | None = subject) -> dict[str, str]:
        covered = {"work-scopes": " ".join((case, *scopes))} if scopes else {}
        whose = {"work-subject": of} if of else {}
        return {**DISPATCHER, "role": "support", "work": case, **whose, **covered}

    for who, status in (
        (at(f"order/{packed.order_id}"), 200),
        (at(), 200),  # its purpose reaches everything of the customer
        (at(f"order/{mint('ord')}"), 404),
        (at(f"account/{subject}"), 403),
        (at(f"order/{packed.order_id}", of=mint("cus")), 404),
        (at(f"order/{packed.order_id}", of=None), 403),
        ({**DISPATCHER, "work": f"break-glass/{mint('brk')}"}, 200),
    ):
        for answer in await both(api, shipment, who):
            assert answer.status_code == status, who


async def test_partners_and_visitors_read_no_shipments(api: Api, pack: Pack, route: None) -> None:
    shipment = await api.until((await pack()).order_id, "handed_over")
    visitor = {"caller": "visitor", "actor": "visitor"}

    for who in (partner(CARRIER), visitor):
        for answer in await both(api, shipment, who):
            assert answer.status_code == 403


async def test_staff_list_their_site_page_by_page(api: Api, gateway: Gateway, pack: Pack) -> None:
    here = [(await pack()).order_id for _ in range(3)]
    elsewhere = await pack(site="south")
    for order_id in here:
        await api.until(order_id, "blocked")  # there is no route

    first = (await api("GET", "/v1/shipments", DISPATCHER, state="blocked", limit="2")).json()
    rest = (await api("GET", "/v1/shipments", DISPATCHER, cursor=first["next_cursor"])).json()

    listed = [*first["items"], *rest["items"]]
    assert [s["order_id"] for s in listed] == here
    assert rest["next_cursor"] is None
    assert elsewhere.order_id not in {s["order_id"] for s in listed}
    assert not {"recipient", "phone", "line1"} & listed[0].keys()
    none = (await api("GET", "/v1/shipments", DISPATCHER, state="delivered")).json()
    assert none["items"] == []


async def test_a_site_dispatches_its_own_shipments_alone(api: Api, pack: Pack) -> None:
    packed = await pack()
    shipment = await api.until(packed.order_id, "blocked")
    path = f"/v1/shipments/{shipment['id']}/dispatch"

    assert (await api("POST", path, {**DISPATCHER, "work": "site/south"})).status_code == 404
    assert (await api("POST", path, customer(packed.subject_id))).status_code == 403
    assert (await api.shipment(packed.order_id))["state"] == "blocked"


async def test_routes_are_set_listed_and_removed_by_staff(api: Api) -> None:
    path, choice = "/v1/carrier-routes/ES", {"recipient_id": CARRIER}

    for _ in range(2):
        assert (await api("PUT", path, OWNER, choice)).status_code == 200
    [listed] = (await api("GET", "/v1/carrier-routes", OWNER)).json()["items"]
    assert (listed["country"], listed["recipient_id"]) == ("ES", CARRIER)
    assert (await api("DELETE", path, OWNER)).status_code == 204
    assert (await api("DELETE", path, OWNER)).status_code == 404

    for wrong in ("es", "SPAIN", "E"):
        answer = await api("PUT", f"/v1/carrier-routes/{wrong}", OWNER, choice)
        assert answer.status_code == 422
    assert (await api("PUT", path, OWNER, {"recipient_id": "dhl"})).status_code == 422
    for who in (customer(mint("cus")), partner(CARRIER)):
        assert (await api("PUT", path, who, choice)).status_code == 403


async def test_the_tables_are_what_the_models_say(api: Api, urls: DatabaseUrls) -> None:
    assert await differences(urls.owner, Base.metadata) == []


def test_the_contract_needs_no_database_and_every_route_names_its_purposes() -> None:
    paths = contract()["paths"]

    assert "/v1/shipments/{shipment_id}" in paths
    for operations in paths.values():
        for operation in operations.values():
            assert operation["x-privity"]["purposes"]


def test_a_missing_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic import ValidationError

    from logistics_adapter.main import create_app

    monkeypatch.delenv("LOGISTICS_GATEWAY_URL", raising=False)
    with pytest.raises(ValidationError):
        create_app()
