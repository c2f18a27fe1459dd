"""Exports of the audit store: files that prove themselves, made by a job, gone after a while."""
