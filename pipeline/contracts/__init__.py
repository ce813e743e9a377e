"""The words every part of Sightline shares, and the protocols parts reach each other through.

Frozen slotted dataclasses inside a process; frozen pydantic models (`Contract`) for what crosses a border.
"""
