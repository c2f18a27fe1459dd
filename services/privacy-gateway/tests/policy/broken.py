"""Policy files that are broken in one way each: what was changed, where, and how it is named."""

from collections.abc import Callable
from datetime import date
from typing import Any

Raw = dict[str, Any]
Change = Callable[[Raw], object]

REVEAL_NAME = {"reveal": ["user.name"]}
# What is broken, in the file's own words, and where and how the gap is named.
BROKEN: dict[str, tuple[Change, str, str]] = {
    "a forbidden purpose is granted": (
        lambda f: f["rules"].update(marketing={"support_1": REVEAL_NAME}),
        "rules.marketing",
        "forbidden, and a rule grants it",
    ),
    "a part of a forbidden purpose is granted": (
        lambda f: (
            f["purposes"].update(flyers={"inherits": "marketing", "label": "flyers"}),
            f["rules"].update(flyers={"support_1": REVEAL_NAME}),
        ),
        "rules.flyers",
        "forbidden, and a rule grants it",
    ),
    "no lawful basis": (
        lambda f: f["purposes"]["delivery"].update(basis="none"),
        "purposes.delivery.basis",
        "no lawful basis",
    ),
    "consent without a name": (
        lambda f: f["purposes"]["newsletter"].pop("needs_consent"),
        "purposes.newsletter",
        "rests on consent without naming it",
    ),
    "a clause that nobody published": (
        lambda f: f["purposes"]["delivery"].update(clauses=["C4.4"]),
        "purposes.delivery.clauses",
        "clause C4.4 is not in the notice",
    ),
    "a term that DPV does not have": (
        lambda f: f["purposes"]["delivery"].update(dpv="dpv:DeliveryOfGods"),
        "purposes.delivery.dpv",
        "did you mean dpv:DeliveryOfGoods?",
    ),
    "a purpose that nobody has": (
        lambda f: f["rules"].pop("warehousing"),
        "purposes.warehousing",
        "no rule says who gets what",
    ),
    "a rule for no purpose": (
        lambda f: f["rules"].update(x_ray={"support_1": {}}),
        "rules.x_ray",
        "x_ray is no purpose",
    ),
    "a rule for no role": (
        lambda f: f["rules"]["delivery"].update(dispach={}),
        "rules.delivery.dispach",
        "did you mean dispatch?",
    ),
    "advertising that nobody agreed to": (
        lambda f: (
            f["purposes"]["newsletter"].pop("needs_consent"),
            f["purposes"]["newsletter"].update(basis="legitimate_interests"),
        ),
        "purposes.newsletter.dpv",
        "advertising without consent (C2.1)",
    ),
    "a sale that is not forbidden": (
        lambda f: (
            f["purposes"]["sale"].pop("forbidden"),
            f["purposes"]["sale"].update(basis="legitimate_interests", work=["shop"]),
            f["rules"].update(sale={"shop_owner": REVEAL_NAME}),
        ),
        "purposes.sale.dpv",
        "data is not sold (C4.1)",
    ),
    "anybody gets a name": (
        lambda f: f["rules"]["catalogue"]["visitor"]["reveal"].append("user.name"),
        "rules.catalogue.visitor",
        "a visitor gets user.name",
    ),
    "a partner reads": (
        lambda f: f["rules"]["delivery"]["partner"]["reveal"].append("user.name"),
        "rules.delivery.partner",
        "a partner gets user.name",
    ),
    "a customer does the work of staff": (
        lambda f: f["rules"]["enquiries"].update(customer=REVEAL_NAME),
        "rules.enquiries.customer",
        "its work is for staff",
    ),
    "a disclosure for which consent would have to be asked": (
        lambda f: f["recipients"]["mail"].update(purpose="newsletter"),
        "recipients.mail.purpose",
        "no consent is asked for when disclosing",
    ),
    "a carrier gets an address to write to": (
        lambda f: f["recipients"]["delivery"]["allow"].append("user.contact.email"),
        "recipients.delivery.allow",
        "a delivery does not need user.contact.email (C4.2)",
    ),
    "a password goes out": (
        lambda f: f["recipients"]["mail"]["allow"].append("user.authorization.password"),
        "recipients.mail.allow",
        "user.authorization.password goes to nobody",
    ),
    "a role above itself": (
        lambda f: f["roles"]["support_1"].update(above="support_1"),
        "roles.support_1.above",
        "stands above itself",
    ),
    "a case of any kind is work for it": (
        lambda f: f["purposes"]["returns"].pop("cases"),
        "purposes.returns.cases",
        "a case is work for it, and of what kind is not said",
    ),
    "kinds of cases where no case is work": (
        lambda f: f["purposes"]["warehousing"].update(cases=["enquiry"]),
        "purposes.warehousing.cases",
        "no case is work for it",
    ),
    "a role without a rule": (
        lambda f: f["roles"].update(intern={"kind": "staff", "tier": 1, "label": "intern"}),
        "roles.intern",
        "no rule gives it anything",
    ),
    "a category that does not exist": (
        lambda f: f["rules"]["delivery"]["dispatch"]["reveal"].append("user.contact.emial"),
        "rules.delivery.dispatch.reveal",
        "did you mean user.contact.email?",
    ),
    "one category, two actions": (
        lambda f: f["rules"]["delivery"]["dispatch"]["mask"].append("user.name"),
        "rules.delivery.dispatch.mask",
        "user.name stands twice",
    ),
    "a password comes out": (
        lambda f: f["rules"]["returns"]["finance"]["mask"].append("user.authorization.password"),
        "rules.returns.finance.mask",
        "never comes out",
    ),
    "carried in the clear": (
        lambda f: (
            f["rules"]["service_operation"]["service"]["reveal"].remove(
                "user.contact.address.country"
            ),
            f["rules"]["service_operation"]["service"]["carry"].append(
                "user.contact.address.country"
            ),
        ),
        "rules.service_operation.service.carry",
        "user.contact.address.country is not sealed: there is nothing to carry",
    ),
    "staff carry": (
        lambda f: f["rules"]["delivery"]["dispatch"].update(carry=["user.payment"]),
        "rules.delivery.dispatch.carry",
        "only services carry",
    ),
    "masked without a mask": (
        lambda f: f["rules"]["delivery"]["dispatch"]["mask"].append("user.payment"),
        "rules.delivery.dispatch.mask",
        "user.payment has no mask",
    ),
    "generalised without a coarser form": (
        lambda f: f["rules"]["delivery"]["dispatch"].update(generalise=["user.payment"]),
        "rules.delivery.dispatch.generalise",
        "user.payment has no coarser form",
    ),
    "a sub-purpose for more than its parent": (
        lambda f: f["rules"]["refunds"]["finance"].update(reveal=["user.contact.email"]),
        "rules.refunds.finance.reveal",
        "user.contact.email: reveal, and returns says withhold",
    ),
    "a sub-purpose for another role": (
        lambda f: f["rules"]["refunds"].update(dispatch={}),
        "rules.refunds.dispatch",
        "dispatch has nothing for returns",
    ),
    "a purpose that inherits from itself": (
        lambda f: (
            f["purposes"]["returns"].update(inherits="refunds"),
            f["purposes"]["refunds"].update(basis="contract", clauses=["C2.3"], dpv="dpv:Purpose"),
        ),
        "purposes.returns.inherits",
        "inherits from itself",
    ),
    "a purpose that inherits from nothing": (
        lambda f: f["purposes"]["delivery"].update(inherits="deliverance"),
        "purposes.delivery.inherits",
        "deliverance is no purpose",
    ),
    "sealed without one form": (
        lambda f: f["categories"]["user.name"].pop("validator"),
        "categories.user.name",
        "sealed without a validator",
    ),
    "a mask that nobody wrote": (
        lambda f: f["categories"]["user.name"].update(mask="nmae"),
        "categories.user.name.mask",
        "did you mean name?",
    ),
    "a look-up of what is not sealed": (
        lambda f: f["categories"]["user.payment"].update(lookup=True),
        "categories.user.payment.lookup",
        "only what is sealed has a blind index",
    ),
    "kept for ever": (
        lambda f: f["retention"].pop("delivery"),
        "categories.user.contact.address.street.class",
        "delivery has no retention rule",
    ),
    "a retention clock that nothing sets going": (
        lambda f: f["retention"]["books"].update(clock="order_eaten"),
        "retention.books.clock",
        "order_eaten is no clock",
    ),
    "a clock whose event never comes": (
        lambda f: f["clocks"]["case_closed"].append("case.assigned"),
        "clocks.case_closed",
        "case.assigned never reaches the gateway",
    ),
    "personal data outside retention": (
        lambda f: f["categories"]["user.name"].update({"class": "none"}),
        "categories.user.name.class",
        "only system.operations is outside retention",
    ),
    "two kinds of data by one name": (
        lambda f: f["categories"]["user.contact.address.state"].update(label="city"),
        "categories.user.contact.address.state.label",
        "user.contact.address.city is called city too",
    ),
    "collected for nothing": (
        lambda f: f["categories"].update({"user.hobby": {"class": "identity", "label": "hobby"}}),
        "categories.user.hobby",
        "no purpose needs it",
    ),
    "hidden from its customer": (
        lambda f: f["rules"]["self_service"]["customer"]["reveal"].remove("user.payment"),
        "categories.user.payment",
        "its customer cannot see it (C5.1)",
    ),
    "payment data for a partner": (
        lambda f: f["recipients"]["delivery"]["allow"].append("user.payment"),
        "recipients.delivery.allow",
        "payment data goes to no partner",
    ),
    "a disclosure for a forbidden purpose": (
        lambda f: f["recipients"]["delivery"].update(purpose="sale"),
        "recipients.delivery.purpose",
        "sale is no purpose to disclose for",
    ),
    "a disclosure to nobody in particular": (
        lambda f: f["trust"]["customers"].update(discloses=["brokers"]),
        "trust.customers.discloses",
        "brokers is no kind of recipient",
    ),
    "an event that nobody publishes": (
        lambda f: f["trust"]["orders"]["consumes"].append("shipment.eaten"),
        "trust.orders.consumes",
        "nobody publishes shipment.eaten",
    ),
    "the junior gets more than the senior": (
        lambda f: f["rules"]["enquiries"]["support_2"]["reveal"].remove("user.content.private"),
        "rules.enquiries.support_1",
        "gets more of user.content.private than support_2",
    ),
    "the emergency role on an ordinary day": (
        lambda f: f["rules"]["enquiries"].update(engineer_on_call=REVEAL_NAME),
        "rules.enquiries.engineer_on_call",
        "engineer_on_call is for break_glass only",
    ),
    "staff without work": (
        lambda f: f["purposes"]["delivery"].pop("work"),
        "purposes.delivery",
        "no kind of work ties staff to it",
    ),
    "a member that means nothing": (
        lambda f: f["purposes"]["delivery"].update(lable="delivery"),
        "purposes.delivery.lable",
        "did you mean label?",
    ),
    "a part that is missing": (lambda f: f.pop("retention"), "retention", "is missing"),
    "a value that cannot be": (
        lambda f: f["roles"]["support_1"].update(kind="wizard"),
        "roles.support_1.kind",
        "Input should be",
    ),
    "a version that YAML reads as a date": (
        lambda f: f.update(version=date(2026, 1, 1)),
        "version",
        "put it in quotes",
    ),
}
