"""Which network addresses are the public internet. What is not listed as public is not.

`ipaddress.is_global` answers another question and is wrong for a good dozen of internal forms, so
the blocks stand here, from IANA's special-purpose registries. Of IPv6, only unicast space that is
handed out (2000::/3) counts; that leaves out every form that carries an IPv4 address inside
(mapped, compatible, translated, NAT64) without naming it, and the tunnels inside it are named.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_PUBLIC_4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; some clouds' metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # public by its number, and the host of every machine in one cloud
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; another cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112 sinks
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112 sinks
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",  # AS112 sinks
        "3fff::/20",  # documentation
    )
)


def is_public(text: str) -> bool:
    """Of an address as a resolver gives it; anything else is not public."""
    if "%" in text:  # a zone: it means something on one link only
        return False
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _NOT_PUBLIC_4)
    return _is_public_6(address)


def _is_public_6(address: IPv6Address) -> bool:
    return address in _UNICAST_6 and not any(address in block for block in _NOT_PUBLIC_6)
