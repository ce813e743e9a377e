"""Observation to candidate: zones, predicates, words, and one state machine a camera and rule."""
