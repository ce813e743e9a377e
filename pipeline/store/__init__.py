"""What is kept: incidents, outbox, decisions, evidence."""
