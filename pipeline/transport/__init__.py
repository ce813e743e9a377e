"""What carries items between parts of a process (`memory`) and, later, between processes."""
