"""JSON that can be read in only one way. The cases follow the categories of JSONTestSuite."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy_gateway.domain.intake import strict_json
from privacy_gateway.domain.intake.strict_json import MalformedJson, parse, parse_object

ACCEPTED = [
    b"[]",
    b"{}",
    b" [ ] ",
    b"\t\r\n [1]\n",
    b'"text"',
    b'""',
    b"1",
    b"-0",
    b"0",
    b"-1",
    b"1.5",
    b"-0.0",
    b"1e2",
    b"1E+2",
    b"1E-2",
    b"9007199254740991",
    b"-9007199254740991",
    b"true",
    b"false",
    b"null",
    b"[null, 1, 1.5, true]",
    b'{"a":{"b":[{"c":1}]}}',
    b'{"a":1,"b":1}',
    b'[{"a":1},{"a":2}]',
    b'{"":0}',
    b'{"a:b":1,"c":"d:e:f"}',
    b'{"a\\u003ab":":"}',
    b'"\\u0041\\n\\t\\r\\b\\f\\/\\\\\\""',
    b'"\\ud83d\\ude00"',
    '"\U0001f600 Zoë 山田 \u202e"'.encode(),
    b'"\\u202e"',
    b'"\\\\u0000"',
    b'"\x7f"',
    b'"\\u0001"',
    b"[" * 20 + b"]" * 20,
    b'{"a":' * 20 + b"1" + b"}" * 20,
]

# What does not parse at all.
BROKEN = [
    b"",
    b" ",
    b"[",
    b"]",
    b"[]]",
    b"[1,]",
    b"[,1]",
    b"[1,,2]",
    b"[1 2]",
    b"[1:2]",
    b'["a"',
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b'{,"a":1}',
    b'{"a" 1}',
    b'{"a"::1}',
    b"{'a':1}",
    b"{a:1}",
    b"{1:1}",
    b'{"a":1}}',
    b'{"a":1}{"b":2}',
    b'{"a":1} x',
    b'{"a":1}#',
    b"// a\n{}",
    b"/* a */{}",
    b'{"a":1/*b*/}',
    b"01",
    b"-01",
    b"+1",
    b".5",
    b"5.",
    b"1.e1",
    b"1e",
    b"1e+",
    b"0x10",
    b"1_000",
    b"-",
    b"--1",
    b"1,000",
    "１".encode(),
    b"True",
    b"nul",
    b"undefined",
    b'"\\x00"',
    b'"\\u12"',
    b'"\\uGGGG"',
    b'"\\u{41}"',
    b'"\\a"',
    b'"\\"',
    b'"a',
    b'"a\nb"',
    b'"\t"',
    b'"\x00"',
    b"\x00",
    b"[1]\x00",
    b"\x0c[1]",
    b"\xc2\xa0[1]",
    b"\xe2\x81\xa0[1]",
    b"[\x0b1]",
    b"*",
    b"<a/>",
    b"a=1",
]

# What parses somewhere, and has more than one reading or none that is safe: (body, pointer, code).
AMBIGUOUS = [
    (b'{"a":1,"a":1}', "/a", "duplicate_member"),
    (b'{"a":1,"b":2,"a":3}', "/a", "duplicate_member"),
    (b'{"a":1,"\\u0061":2}', "/a", "duplicate_member"),
    (b'{"a":{"b":1,"b":2}}', "/a/b", "duplicate_member"),
    (b'[{"x":1},{"a":1,"a":2}]', "/1/a", "duplicate_member"),
    (b'{"a":{},"a":[]}', "/a", "duplicate_member"),
    (b'{"":1,"":2}', "/…", "duplicate_member"),
    (b'{"a":1,"b":"\\u003a","a":2}', "/a", "duplicate_member"),
    (b'{"a":1,"b":"\\u003A","a":2}', "/a", "duplicate_member"),
    (b'{"b":"\\u003a\\u003a","a":"x:y","a":2}', "/a", "duplicate_member"),
    (b'{"a":"::::","a":1}', "/a", "duplicate_member"),
    (b'{"anna@shop.example":1,"anna@shop.example":2}', "/…", "duplicate_member"),
    (b'{"a123456":1,"a123456":2}', "/…", "duplicate_member"),
    (b"NaN", "", "not_a_number"),
    (b"[Infinity]", "/0", "not_a_number"),
    (b'{"a":-Infinity}', "/a", "not_a_number"),
    (b'"\\ud800"', "", "lone_surrogate"),
    (b'{"a":"\\udc00\\ud800"}', "/a", "lone_surrogate"),
    (b'{"a":"\\ud800x"}', "/a", "lone_surrogate"),
    (b'{"\\udead":1}', "/…", "lone_surrogate"),
    (b'"\\u0000"', "", "nul_character"),
    (b'{"a":["x\\u0000y"]}', "/a/0", "nul_character"),
    (b'{"a\\u0000":1}', "/…", "nul_character"),
    (b"9007199254740992", "", "number_out_of_range"),
    (b"[-9007199254740992]", "/0", "number_out_of_range"),
    (b'{"a":123456789012345678901234567890}', "/a", "number_out_of_range"),
    (b"9" * 5000, "", "number_out_of_range"),
    (b"1e400", "", "number_out_of_range"),
    (b"[-1e400]", "/0", "number_out_of_range"),
    (b"1e16", "", "number_out_of_range"),
    (b"1e-400", "", "number_out_of_range"),
    (b"9007199254740993.0", "", "number_out_of_range"),
    (b"1e999999999999", "", "number_out_of_range"),
    (b"[" * 21 + b"]" * 21, "/0" * 20, "too_deep"),
    (b'{"a":' * 21 + b"1" + b"}" * 21, "/a" * 20, "too_deep"),
    (b"[" * 30_000, "", "too_deep"),
    (b'{"a":' * 12_000, "", "too_deep"),
    (b"\xef\xbb\xbf{}", "", "byte_order_mark"),
    (b'"\xff"', "", "invalid_utf8"),
    (b'"\xc0\xaf"', "", "invalid_utf8"),
    (b'"\xed\xa0\x80"', "", "invalid_utf8"),
    (b'"\xf4\x90\x80\x80"', "", "invalid_utf8"),
    (b'"\xe2\x82"', "", "invalid_utf8"),
    (b'"\xc3\x28"', "", "invalid_utf8"),
    ('{"a":1}'.encode("utf-16"), "", "invalid_utf8"),
    (b" " * 65_537, "", "too_large"),
]


def faults(body):
    with pytest.raises(MalformedJson) as refused:
        parse(body)
    assert refused.value.detail is None
    return list(refused.value.errors)


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda body: repr(body[:30]))
def test_plain_json_is_read_as_everyone_reads_it(body):
    assert repr(parse(body)) == repr(json.loads(body))


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:30]))
def test_what_is_not_json_is_refused(body):
    assert faults(body) == [("", "malformed_json")]


@pytest.mark.parametrize(("body", "pointer", "code"), AMBIGUOUS, ids=lambda v: repr(v)[:30])
def test_what_could_be_read_in_two_ways_is_refused_and_placed(body, pointer, code):
    assert faults(body) == [(pointer, code)]


def test_every_fault_is_told_up_to_a_limit():
    assert faults(b'{"a":1,"a":2,"b":NaN,"c":["\\u0000"]}') == [
        ("/a", "duplicate_member"),
        ("/b", "not_a_number"),
        ("/c/0", "nul_character"),
    ]
    many = b"[" + b",".join([b"NaN"] * 100) + b"]"
    assert len(faults(many)) == strict_json.MAX_ERRORS


def test_utf16_is_not_guessed():
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le"):
        with pytest.raises(MalformedJson):
            parse('{"a":1}'.encode(encoding))


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"1", b"null", b"true"])
def test_only_an_object_is_an_object(body):
    with pytest.raises(MalformedJson) as refused:
        parse_object(body)
    assert refused.value.errors == (("", "not_an_object"),)


def test_a_value_never_shows_in_a_refusal():
    secret = "anna@shop.example"
    for body in (
        f'{{"email":"{secret}\\u0000"}}',
        f'{{"{secret}":1,"{secret}":2}}',
        f'["{secret}"',
    ):
        with pytest.raises(MalformedJson) as refused:
            parse(body.encode())
        shown = repr(refused.value) + str(refused.value.errors)
        assert secret not in shown
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__


def duplicating(pairs):
    return "{" + ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs) + "}"


texts = st.text(st.sampled_from('ab:"\\\u003a\u0000é'), max_size=6)
leaves = st.none() | st.booleans() | st.integers() | texts | st.floats(allow_nan=False)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(trees, st.booleans())
def test_both_readers_agree_on_whatever_can_be_written(tree, ascii_only):
    body = json.dumps(tree, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    careful, errors = strict_json._judge(body)

    if errors:
        assert faults(body) == errors
    else:
        assert repr(parse(body)) == repr(careful)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(texts, texts | st.integers(0, 9)), min_size=1, max_size=5), st.data())
def test_no_duplicate_slips_through_whatever_the_texts_hold(pairs, data):
    names = [name for name, _ in pairs]
    body = duplicating(pairs)
    for escaped in (":", "a"):
        if data.draw(st.booleans()):  # the same text, spelled with an escape
            body = body.replace(f'{escaped}"', f'\\u{ord(escaped):04x}"')

    duplicated = len(set(names)) != len(names)
    try:
        parse(body.encode())
    except MalformedJson as refused:
        codes = {code for _, code in refused.errors}
        assert duplicated == ("duplicate_member" in codes) or codes & {"malformed_json"}
    else:
        assert not duplicated


def test_without_the_count_of_colons_a_duplicate_would_pass(monkeypatch):
    """The fault planted: the proof switched off."""
    monkeypatch.setattr(strict_json, "_prove", lambda value, body: None)

    assert parse(b'{"a":1,"a":2}') == {"a": 2} == orjson.loads(b'{"a":1,"a":2}')
