"""`make demo`: the whole story, from registration to the search of the raw files.

It uses the shop that `make run` opened; when none is open, it opens one for itself.
"""

import asyncio
import base64
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from privity_deploy import casework, presence
from privity_deploy.client import (
    Person,
    Refused,
    code_from_mail,
    eventually,
    new_key,
    open_account,
    sign_in,
)
from privity_deploy.raw_places import RawPlaces, raw_places
from privity_deploy.raw_search import RawSearch, search
from privity_deploy.run import EXPECTED
from privity_deploy.seed import SAMPLE, SAMPLE_PASSWORD, Shop, seed
from privity_deploy.stack import lent_stack
from privity_deploy.startup import interrupt_once, told_of_the_disk
from privity_deploy.story import Story
from privity_postgres import for_driver

ROOT = Path(__file__).resolve().parents[3]
# Spellings that occur nowhere else, so that a hit is a hit.
CUSTOMER = {
    "name": "Quirina Zaubermann",
    "email": "quirina.zaubermann@example.org",
    "phone": "+49 30 23125 077",
}
PASSWORD = "Mondschein-Kutsche-77"  # noqa: S105  # of an invented person
ADDRESS = {
    "recipient": "Quirina Zaubermann",
    "phone": "+49 30 23125 077",
    "line1": "Glühwürmchenweg 17",
    "line2": "Hinterhaus 4b",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}
WANTED = {
    "name": "Quirina",
    "surname": "Zaubermann",
    "e-mail": "quirina.zaubermann@example.org",
    "phone": "+493023125077",
    "street": "Glühwürmchenweg",
    "house": "Hinterhaus 4b",
    "password": PASSWORD,
}


# Apart from the customer, so that the next search is not led astray by what it leaves in the WAL.
PLANTED = "Planted Rumpelstilzchen"
PLANT = "INSERT INTO planted VALUES ('Planted Rumpelstilzchen')"


def tell(shop: Shop, running: presence.Running, story: Story) -> int:
    """The number of things that went wrong; 0 is the happy end."""
    customer = _registration(shop, story)
    order = _order(shop, customer, story)
    _staff(shop, order, story)
    _delivery(shop, customer, order, story)
    _strangers(shop, order, story)
    casework.tell(shop, customer, order, story)
    _record(shop, customer, story)
    _deletion(shop, customer, story)
    return _search(running, story)


def _registration(shop: Shop, story: Story) -> Person:
    story.step("A customer registers")
    try:
        customer = open_account(shop.url, shop.mail_url, **CUSTOMER, password=PASSWORD)
        story.say("The code came by mail; the mail provider has an agreement, and the disclosure "
                  "of her address to it is on record.")  # fmt: skip
    except TimeoutError:
        customer = sign_in(shop.url, email=CUSTOMER["email"], password=PASSWORD)
        story.say("She has an account from an earlier telling, and signs in.")
    profile = customer.get("/v1/profile")
    story.show("She", {name: profile[name] for name in ("name", "email", "phone")})
    return customer


def _order(shop: Shop, customer: Person, story: Story) -> dict[str, Any]:
    story.step("She orders tea")
    address = customer.post("/v1/addresses", ADDRESS, key=new_key())
    products = customer.get("/v1/products?category=tea")["items"]
    body = {
        "lines": [{"product_id": products[0]["id"], "quantity": 2}],
        "address_id": address["id"],
        "payment": {"token": "tok_approve_demo"},
    }
    key = new_key()
    order: dict[str, Any] = customer.post("/v1/orders", body, key=key)
    again = customer.post("/v1/orders", body, key=key)
    story.say(f"Order {order['number']}, {order['total'] / 100:.2f} {order['currency']}, "
              f"state {order['state']}. Sent twice by accident, it is one order: "
              f"{again['id'] == order['id']}.")  # fmt: skip
    story.say("The address went from her account into the order inside the gateway, sealed anew "
              "under the order's own key.")  # fmt: skip
    try:
        customer.post("/v1/orders", body | {"note": "card 4111 1111 1111 1111"}, key=new_key())
    except Refused as refused:
        story.say(f"A card number in a note is refused: {refused.status} {refused.body['code']}.")
    return order


def _staff(shop: Shop, order: dict[str, Any], story: Story) -> None:
    story.step("Staff do their work, each with what it needs")
    path = f"/v1/orders/{order['id']}"
    support = shop.grant("support", "order_verification", f"order/{order['id']}")
    _see(story, "Support, checking the order", support.get(f"{path}/delivery"))
    support.post(f"{path}/confirmation")
    warehouse = shop.grant("warehouse", "warehousing")
    _see(story, "The warehouse, packing", warehouse.get(f"{path}/delivery"))
    warehouse.post(f"{path}/packing")
    try:
        shop.grant("support", "marketing", f"order/{order['id']}")
    except Refused as refused:
        story.say(f"Asked for advertising, the answer is no: {refused.body['error']}.")


def _see(story: Story, who: str, answer: dict[str, Any]) -> None:
    fields = ("recipient", "phone", "line1", "city", "postal_code", "country")
    withheld = {w["field"]: "(withheld)" for w in answer["privacy"]["withheld"]}
    story.show(who, {name: answer.get(name, withheld.get(name)) for name in fields})


def _delivery(shop: Shop, customer: Person, order: dict[str, Any], story: Story) -> None:
    story.step("The carrier gets the least that delivers")

    def delivered() -> dict[str, Any] | None:
        content: Any = httpx.get(f"{shop.carrier_url}/deliveries", timeout=5).json()
        found = content["deliveries"]
        ours = [d for d in found if d["payload"]["recipient"]["name"] == CUSTOMER["name"]]
        return ours[-1] if ours else None

    delivery = eventually(delivered, within=30, what="delivery at the carrier")
    payload = delivery["payload"]
    story.say(f"A signed webhook, {'encrypted to its key' if delivery['encrypted'] else 'plain'}. "
              "No e-mail, no price, no payment.")  # fmt: skip
    story.show("The carrier", payload["recipient"] | payload["address"])

    def arrived() -> dict[str, Any] | None:
        found: dict[str, Any] = customer.get(f"/v1/orders/{order['id']}")
        return found if found["state"] == "delivered" else None

    eventually(arrived, within=60, what="confirmed delivery")
    history = customer.get(f"/v1/orders/{order['id']}/history")["items"]
    story.say("Tracking came back signed: " + " → ".join(c["what"] for c in history) + ".")


def _strangers(shop: Shop, order: dict[str, Any], story: Story) -> None:
    story.step("A stranger with a valid token asks for the same order")
    stranger = sign_in(shop.url, email=SAMPLE["email"], password=SAMPLE_PASSWORD)
    try:
        stranger.get(f"/v1/orders/{order['id']}")
        story.say("and gets it. That is wrong.")
    except Refused as refused:
        story.say(f"and gets {refused.status} {refused.body['code']}, "
                  "as if there were no such order.")  # fmt: skip


def _record(shop: Shop, customer: Person, story: Story) -> None:
    story.step("She asks who has seen her data")
    for entry in customer.get("/v1/my/accesses")["accesses"]:
        if entry["who"] == "you":
            continue
        what = ", ".join(f"{seen['data']} ({seen['seen']})" for seen in entry["what"])
        story.say(f"{entry['when'][11:19]}  {entry['who']} {entry['did']}: {what or 'nothing'} "
                  f"– for {entry['why']}")  # fmt: skip
    auditor = shop.grant("auditor", "audit_review")
    found = auditor.post("/v1/audit/searches", {"purpose": "delivery", "limit": 5})
    story.say(f"An auditor finds {len(found['records'])} records for delivery; they name fields, "
              "purposes and roles, and no person.")  # fmt: skip


def _deletion(shop: Shop, customer: Person, story: Story) -> None:
    story.step("She has everything deleted that no law keeps")
    wish = {"when": "at_once", "orders_in_progress": "leave"}
    asked = customer.post("/v1/my/deletion", wish)
    code = code_from_mail(shop.mail_url, CUSTOMER["email"], about="deleted at once")
    customer.post("/v1/my/deletion/confirmation", {"code": code})
    story.say("At once, so a code in her mailbox has to confirm it; a last letter says it begins.")
    wanted = {"id": asked["id"], "receipt_key": asked["receipt_key"]}

    def done() -> dict[str, Any] | None:
        found: dict[str, Any] = Person(shop.url).post("/v1/deletions/receipts", wanted)
        return found if found["state"] == "done" else None

    payload = eventually(done, within=60, what="end of the deletion")["receipt"].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    story.say(f"A signed receipt: {len(said['gone'])} classes of data are gone. "
              f"{said['searched']['values']} sealed values were tried with every key that is left: "
              f"{said['searched']['opened']} opened. "
              f"{len(said['partners'])} delivery is to be purged by its carrier.")  # fmt: skip
    for kept in said["kept"]:
        story.say(f"Kept: {', '.join(kept['data'])} until {(kept['until'] or '?')[:10]} "
                  f"({kept['why']}).")  # fmt: skip
    try:
        sign_in(shop.url, email=CUSTOMER["email"], password=PASSWORD)
        story.say("She can still sign in. That is wrong.")
    except Refused as refused:
        story.say(f"Signing in again: {refused.status} {refused.body['code']}.")


def _search(running: presence.Running, story: Story) -> int:
    story.step("Everything that lies on the disk is searched for her")
    began = time.monotonic()
    with _places(running) as found:
        finder = RawSearch(WANTED)
        hits = list(finder.files(found.files))
        story.say(
            f"{finder.seen.files} {found.words}; {finder.seen.size / 1e6:.0f} MB, in every "
            f"spelling an encoder would make: {len(hits)} hits ({time.monotonic() - began:.1f} s)."
        )
    for hit in hits[:10]:
        story.say(f"FOUND {hit.value} as {hit.spelling} in {hit.path.name} at {hit.offset}")
    with _planted(running), _places(running) as found:
        seen = next(search(found.files, {"planted": PLANTED}), None)
    where = f"found in {seen.path.name}" if seen else "NOT FOUND"
    story.say(f"A name planted in the clear, to test the search itself: {where}.")
    return len(hits) + (seen is None)


@contextmanager
def _places(running: presence.Running) -> Iterator[RawPlaces]:
    with tempfile.TemporaryDirectory(prefix="privity-search-") as scratch:
        yield asyncio.run(raw_places(running, Path(scratch)))


@contextmanager
def _planted(running: presence.Running) -> Iterator[None]:
    """A plaintext row among the orders, for as long as it is looked for."""
    url = for_driver(running.admin_url, database=running.databases["privity_orders"])
    asyncio.run(_execute(url, "CREATE TABLE planted (leak text)"))
    try:
        asyncio.run(_execute(url, PLANT, "CHECKPOINT"))
        yield
    finally:
        asyncio.run(_execute(url, "DROP TABLE planted"))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _open_shop() -> Iterator[tuple[Shop, presence.Running]]:
    running = presence.running_stack(ROOT / ".privity")
    if running is not None:
        print(f"Using the shop at {running.url}.")
        yield Shop.of(running), running
        return
    print("No shop is open; opening one for this story ...", flush=True)
    with lent_stack(ROOT, report=lambda line: print(f"   {line}", flush=True)) as stack:
        running = stack.running
        yield seed(running, report=lambda line: print(f"   {line}", flush=True)), running


def main() -> int:
    began = time.monotonic()
    interrupt_once()
    try:
        with told_of_the_disk(Path(tempfile.gettempdir())), _open_shop() as (shop, running):
            wrong = tell(shop, running, Story())
    except KeyboardInterrupt:
        print("\nStopped before the end of the story.", flush=True)
        return 1
    except EXPECTED as failure:
        print(f"\n{failure}", file=sys.stderr, flush=True)
        return 1
    print(f"\n{'The end' if not wrong else 'Something is wrong'}, after "
          f"{time.monotonic() - began:.0f} s.")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
