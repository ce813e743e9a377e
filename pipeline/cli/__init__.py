"""The command line: `sightline`. In: words a person types. Out: lines for people or JSON, and an exit status."""

from pipeline.cli.program import main

__all__ = ["main"]
