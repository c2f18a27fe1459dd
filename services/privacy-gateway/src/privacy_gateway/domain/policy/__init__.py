"""The policy in force: what each purpose yields to each role."""

from privacy_gateway.domain.policy.engine import Action, Policy
from privacy_gateway.domain.policy.file import PolicyFile, PolicyGap, load

__all__ = ["Action", "Policy", "PolicyFile", "PolicyGap", "load"]
