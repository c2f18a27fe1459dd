"""Contracts tell the gateway what every field is, and show no value to anyone else."""

import copy
import json
import pickle
from typing import Annotated

import pytest
from pydantic import ValidationError

from privity_contracts import BlindIndex, Category, Contract, Sealed, Secret, derived
from privity_contracts.ids import SubjectId, is_id, mint

TOKEN = "s1:key_01hzzzzzzzzzzzzzzzzzzzzzzz:user.contact.email:" + "A" * 44


class Registration(Contract, subject="id", scope="account/id"):
    id: SubjectId
    email: Annotated[Sealed, Category("user.contact.email")]
    email_index: Annotated[BlindIndex, Category("user.contact.email"), derived("email")]
    password: Annotated[Secret, Category("user.authorization.password")]


def a_registration() -> Registration:
    return Registration.model_validate(
        {
            "id": mint("cus"),
            "email": TOKEN,
            "email_index": "b1:0:" + "B" * 32,
            "password": "correct horse",
        }
    )


def test_a_schema_names_category_kind_subject_and_scope() -> None:
    schema = Registration.model_json_schema()

    assert schema["x-privity-subject"] == "id"
    assert schema["x-privity-scope"] == "account/id"
    email = schema["properties"]["email"]
    assert email["x-privity-category"] == "user.contact.email"
    assert email["x-privity-kind"] == "sealed"
    assert schema["properties"]["email_index"]["x-privity-from"] == "email"
    assert schema["properties"]["id"]["x-privity-category"] == "user.unique_id"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>5}".format, lambda m: f"{m.email}"])
def test_nothing_opaque_can_be_read_by_printing_it(show) -> None:
    shown = show(a_registration())

    assert TOKEN not in shown
    assert "correct horse" not in shown
    assert "B" * 32 not in shown


def test_opaque_values_are_copied_but_never_pickled() -> None:
    value = Sealed(TOKEN)

    assert copy.deepcopy(value) == value
    with pytest.raises(TypeError):
        pickle.dumps(value)


def test_a_value_sealed_as_another_category_is_refused() -> None:
    class Phone(Contract):
        phone: Annotated[Sealed, Category("user.contact.phone_number")]

    with pytest.raises(ValidationError):
        Phone.model_validate({"phone": TOKEN})


@pytest.mark.parametrize("text", ["", "alice@example.org", TOKEN + " ", TOKEN + "=", TOKEN.upper()])
def test_plain_text_is_not_a_sealed_value(text: str) -> None:
    with pytest.raises(ValueError, match="not a sealed value"):
        Sealed(text)


def test_on_the_wire_a_sealed_value_is_its_token() -> None:
    assert json.loads(a_registration().model_dump_json())["email"] == TOKEN


def test_an_undeclared_member_is_refused() -> None:
    with pytest.raises(ValidationError):
        Registration.model_validate({"id": mint("cus"), "birth_date": "2000-01-01"})


def test_ids_are_ordered_by_time_and_told_apart_by_prefix() -> None:
    earlier = mint("ord", clock=lambda: 1_700_000_000.0)
    later = mint("ord", clock=lambda: 1_700_000_001.0)

    assert earlier < later
    assert is_id(earlier, "ord")
    assert not is_id(earlier, "cus")
    assert not is_id(earlier + "\n")
