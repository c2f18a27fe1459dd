"""HTTP out, by way of the gateway: one module per service that is called."""
