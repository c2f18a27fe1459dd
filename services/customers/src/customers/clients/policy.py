"""Which privacy policy the shop shows right now."""

from privity_rest import GatewayClient, GatewayUnavailable


async def version_in_force(gateway: GatewayClient) -> str:
    """Raises GatewayUnavailable."""
    answer = await gateway.get("/v1/policy")
    version = answer.body.get("version") if answer.ok and isinstance(answer.body, dict) else None
    if not isinstance(version, str):
        raise GatewayUnavailable(f"the gateway answered {answer.status}")
    return version
