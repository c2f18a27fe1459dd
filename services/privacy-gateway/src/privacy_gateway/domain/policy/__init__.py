"""The policy in force: what each purpose yields to each role."""

from privacy_gateway.domain.policy.actions import Action
from privacy_gateway.domain.policy.engine import Policy
from privacy_gateway.domain.policy.file import PolicyFile
from privacy_gateway.domain.policy.gap import Gap, PolicyGap
from privacy_gateway.domain.policy.loading import load

__all__ = ["Action", "Gap", "Policy", "PolicyFile", "PolicyGap", "load"]
