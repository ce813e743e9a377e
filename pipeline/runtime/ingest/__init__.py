"""Cameras in, the topic `frames` out."""
