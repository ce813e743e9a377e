"""Incident to the outside: formats, signed webhooks, retries, dead letters."""
