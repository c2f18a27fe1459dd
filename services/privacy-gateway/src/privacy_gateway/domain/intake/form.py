"""Reading form-encoded bodies, for OAuth's endpoints: each parameter once, in plain UTF-8."""

from urllib.parse import parse_qsl

from privity_rest import Malformed

MAX_FIELDS = 16


class MalformedForm(Malformed):
    code = "malformed_form"


def parse_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise MalformedForm from None
    form = dict(pairs)
    if len(form) != len(pairs) or any("\0" in value for value in form.values()):
        raise MalformedForm
    return form
