"""An endpoint is a public name under https, in one spelling; anything cleverer is refused."""

import pytest

from privacy_gateway.clients.endpoints import AllowedAddresses, UnsafeEndpoint

GOOD = [
    ("https://hooks.example.com", "hooks.example.com", 443, "/"),
    ("https://hooks.example.com/", "hooks.example.com", 443, "/"),
    ("https://hooks.example.com:8443/a/b.c", "hooks.example.com", 8443, "/a/b.c"),
    ("https://a.b.c.example.com/x?y=1&z=%20", "a.b.c.example.com", 443, "/x?y=1&z=%20"),
    ("https://xn--mller-kva.example/", "xn--mller-kva.example", 443, "/"),
    ("https://1.example.com/@partner", "1.example.com", 443, "/@partner"),
    ("https://hooks.example.com?x=1", "hooks.example.com", 443, "/?x=1"),
]
HOSTILE = [
    "",
    " https://hooks.example.com/",
    "https://hooks.example.com/ ",
    "https://hooks.example.com/\n",
    "http://hooks.example.com/",
    "HTTPS://hooks.example.com/",
    "https:/hooks.example.com/",
    "https:hooks.example.com",
    "https:///hooks.example.com/",
    "//hooks.example.com/",
    "hooks.example.com",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/_x",
    "unix:/run/customers.sock",
    "http+unix://%2Frun%2Fcustomers.sock/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https://localhost/",
    "https://localhost.:443/",
    "https://customers/",
    "https://kubernetes.default.svc:6443/",
    "https://kubernetes.default.svc/",
    "https://metadata.google.internal/",
    "https://localhost.localdomain/",
    "https://shop.localhost/",
    "https://printer.local/",
    "https://router.home.arpa/",
    "https://router.lan:8443/",
    "https://hooks.onion/",
    "https://hooks.example.com./",
    "https://.example.com/",
    "https://-a.example.com/",
    "https://a..example.com/",
    "https://EXAMPLE.com/",
    "https://hooks_1.example.com/",
    "https://user@hooks.example.com/",
    "https://user:pass@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://hooks.example.com%40127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com/#x",
    "https://127.0.0.1/",
    "https://127.0.0.1:8443/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1.",
    "https://1.1.1.1/",
    "https://8.8.8.8/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fd00:ec2::254]/",
    "https://[2606:4700:4700::1111]/",
    "https://[::1/",
    "https://::1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://hooks．example．com/",
    "https://münchen.example/",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:5432/",
    "https://hooks.example.com:8080/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:0443/",
    "https://hooks.example.com:65536/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:443443/",
    "https://hooks.example.com:443:443/",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/%0",
    "https://hooks.example.com/\r\nHost: localhost",
    "https://hooks.example.com/\x00",
    "https://hooks.example.com/<x>",
    "https://hooks.example.com/ü",
    "https://hooks.example.com\t/",
    "https://hooks.example.com?x#y",
    f"https://{'a' * 64}.example.com/",
    f"https://{'a.' * 130}com/",
    f"https://hooks.example.com/{'a' * 2048}",
]


@pytest.mark.parametrize(("url", "host", "port", "target"), GOOD)
def test_a_public_name_under_https_is_an_endpoint(
    url: str, host: str, port: int, target: str
) -> None:
    endpoint = AllowedAddresses().parse(url)

    assert (endpoint.scheme, endpoint.host, endpoint.port, endpoint.target) == (
        "https",
        host,
        port,
        target,
    )


@pytest.mark.parametrize("url", HOSTILE)
def test_anything_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UnsafeEndpoint) as refused:
        AllowedAddresses().parse(url)

    assert str(refused.value) in {"not_an_https_url", "not_a_public_name", "port_not_allowed"}


def test_a_listed_address_is_reached_at_its_port_and_in_its_spelling_only() -> None:
    allowed = AllowedAddresses.read("127.0.0.1:8091, [::1]:8092")

    assert allowed.parse("http://127.0.0.1:8091/hook").port == 8091
    assert allowed.parse("http://[::1]:8092/hook").host == "::1"
    for other in (
        "http://127.0.0.1:8092/",
        "http://127.0.0.1/",
        "http://127.1:8091/",
        "http://0x7f000001:8091/",
        "http://localhost:8091/",
        "http://[::ffff:127.0.0.1]:8091/",
        "http://user@127.0.0.1:8091/",
        "http://127.0.0.2:8091/",
    ):
        with pytest.raises(UnsafeEndpoint):
            allowed.parse(other)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "localhost:8091",
        "127.0.0.1:0",
        "127.1:8091",
        "127.0.0.1:99999",
        "10.0.0.0/8:80",
    ],
)
def test_a_setting_that_is_not_exact_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="ip:port"):
        AllowedAddresses.read(text)


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.1"],
        ["2606:4700:4700::1111", "::1"],
        ["64:ff9b::5db8:d70e"],
        ["93.184.215.14", ""],
    ],
)
def test_one_private_address_behind_a_name_is_enough_to_refuse_it(found: list[str]) -> None:
    allowed = AllowedAddresses()

    with pytest.raises(UnsafeEndpoint, match="private_address"):
        allowed.check(allowed.parse("https://hooks.example.com/"), found)
