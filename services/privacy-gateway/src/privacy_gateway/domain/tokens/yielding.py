"""What a grant will reveal, mask and withhold, said before anything is read."""

from collections.abc import Collection

from privacy_gateway.domain.policy.engine import Policy

WITHHOLD = "withhold"


def given(policy: Policy, role: str, purpose: str) -> frozenset[str]:
    """The categories of which something is given, in whatever form."""
    preview = policy.preview(role, purpose)
    return frozenset(c for way, found in preview.items() if way != WITHHOLD for c in found)


def of(
    policy: Policy, role: str, purpose: str, *, only: Collection[str] | None
) -> dict[str, list[str]]:
    """`only`: the categories that the grant was narrowed to."""
    preview = policy.preview(role, purpose)
    if only is None:
        return preview
    kept = {way: [c for c in found if c in only] for way, found in preview.items()}
    left_out = given(policy, role, purpose) - frozenset(only)
    return {**kept, WITHHOLD: sorted({*preview[WITHHOLD], *left_out})}
