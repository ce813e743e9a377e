"""The command line: `sightline`. In: words a person types. Out: lines for people or JSON, and an exit status."""


def main() -> None:
    """Entry of the `sightline` script and of `python -m pipeline`."""
    from pipeline.cli.program import app  # here, so that one module of this package can be had without all of them

    app()
