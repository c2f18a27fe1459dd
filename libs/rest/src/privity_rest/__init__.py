"""How a service speaks HTTP: strict JSON, problem documents, callers, the way to the gateway."""
