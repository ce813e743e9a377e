"""Observation to candidate: predicates over tracks and zones, rules in words, one state machine a camera and rule."""
