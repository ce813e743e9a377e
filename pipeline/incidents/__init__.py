"""Candidate and assessment to incident: its life, and the deliveries each step owes."""
