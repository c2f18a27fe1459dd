"""Durable jobs and the outbox, enqueued in your own transaction."""
