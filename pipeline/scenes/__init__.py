"""Rendered scenes with exact truth, for the synthetic source, the demo and the tests. A leaf."""
