"""A part of the story: a question about an order, from asking to the answer and no further."""

from typing import Any

from privity_deploy.client import Person, Refused, new_key
from privity_deploy.seed import Shop
from privity_deploy.story import Story

QUESTION = "Was the parcel left with a neighbour?"
REPLY = "It was handed over at your own door."
HERS = ("name", "email", "phone")
OF_DELIVERY = ("recipient", "line1", "city", "postal_code")


def tell(shop: Shop, customer: Person, order: dict[str, Any], story: Story) -> None:
    story.step("She asks about it, and somebody follows it up")
    wish = {"kind": "enquiry", "message": QUESTION, "order_id": order["id"]}
    case_id = customer.post("/v1/cases", wish, key=new_key())["id"]
    work = f"case/{case_id}"
    _without_the_case(shop, work, story)
    shop.grant("support", "case_management", "shop").post(f"/v1/cases/{case_id}/assignment", {})
    support = shop.grant("support", "enquiries", work)
    _view(support, case_id, story)
    for_a_return = _refused(lambda: shop.grant("support", "returns", work))
    story.say(f"For a return the same case is no work: {for_a_return}.")
    support.post(f"/v1/cases/{case_id}/messages", {"content": REPLY}, key=new_key())
    support.post(f"/v1/cases/{case_id}/closure", {"outcome": "resolved"})
    path = f"/v1/orders/{order['id']}/delivery"
    story.say(f"Support answers and closes it. The next read with the same grant: "
              f"{_refused(lambda: support.get(path))}.")  # fmt: skip
    answers = customer.get(f"/v1/cases/{case_id}/messages")["items"]
    story.say(f"She reads: \u201c{answers[-1]['content']}\u201d")


def _without_the_case(shop: Shop, work: str, story: Story) -> None:
    said = _refused(lambda: shop.grant("support", "enquiries", work))
    story.say(f"While it waits in the queue it is nobody's work, and opens nothing: {said}.")


def _view(support: Person, case_id: str, story: Story) -> None:
    view = support.get(f"/v1/cases/{case_id}/view")
    story.say("Support takes it and sees, in one call, all that belongs to it:")
    seen = {"message": view["messages"]["items"][0]["content"]}
    seen |= {name: view["customer"][name] for name in HERS}
    seen |= {name: view["delivery"].get(name) for name in OF_DELIVERY}
    story.show("Support", seen)
    parts = [name for name in view if name not in {"id", "missing"}]
    story.say(f"Its parts: {', '.join(parts)}; each with its own record and what is withheld.")


def _refused(ask: Any) -> str:
    try:
        ask()
    except Refused as refusal:
        body = refusal.body
        code = body.get("error_description") or body.get("code")
        return f"{refusal.status} {code}"
    return "it is given. That is wrong"
