"""The `sightline` command: its commands by name, and what any error becomes.

What is heavy to import (OpenCV, databases, models) is imported by the commands that need it, in their bodies:
`check` and `--help` answer in a quarter of the time.

Exit status: 0 all well; 1 something failed or was found at run time; 2 wrong usage or configuration; 130 interrupted.
"""

from __future__ import annotations

import os
import traceback
from importlib.metadata import version as distribution_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli.api import api
from pipeline.cli.ask import ask
from pipeline.cli.audit import audit
from pipeline.cli.backtest import backtest
from pipeline.cli.budget import budget
from pipeline.cli.cameras import app as cameras
from pipeline.cli.channels import app as channels
from pipeline.cli.channels import replay_dead_letters
from pipeline.cli.check import check
from pipeline.cli.cluster import app as cluster
from pipeline.cli.coverage import coverage
from pipeline.cli.dead_letters import app as dead_letters
from pipeline.cli.demo import demo
from pipeline.cli.doctor import doctor
from pipeline.cli.erase import erase
from pipeline.cli.eval import evaluate
from pipeline.cli.forecasts import app as forecasts
from pipeline.cli.incidents import app as incidents
from pipeline.cli.ingest import ingest
from pipeline.cli.learn_rules import learn_rules
from pipeline.cli.learned import app as learned
from pipeline.cli.mcp import mcp
from pipeline.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, out, plain, say_error
from pipeline.cli.people import tokens, users
from pipeline.cli.replay import replay
from pipeline.cli.reviews import confirm, precision, reject
from pipeline.cli.run import run
from pipeline.cli.train import train
from pipeline.cli.watch import EPILOG, watch
from pipeline.cli.why_command import why
from pipeline.errors import ConfigError, SightlineError

_DEBUG_VARIABLE = "SIGHTLINE_DEBUG"
_EXTRAS = {"kafka": "cluster", "ray": "cluster", "onvif": "onvif", "mcp": "mcp"}
"""Packages that only an extra brings, and which."""


class Program(TyperGroup):
    """A group of commands whose errors become one message and an exit status, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _tell(ctx, str(error))
            raise typer.Exit(EXIT_USAGE) from error
        except SightlineError as error:
            _tell(ctx, str(error))
            raise typer.Exit(EXIT_FAILED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(EXIT_INTERRUPTED) from error
        except BrokenPipeError as error:  # the reader of our output (`| head`) has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(EXIT_FAILED) from error
        except Exception as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # typer's own: exits and wrong usage
                raise
            if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
                extra = _EXTRAS[error.name]
                _tell(ctx, f"the package {error.name} is not installed: pip install 'sightline[{extra}]'")
                raise typer.Exit(EXIT_USAGE) from error
            _tell(ctx, f"unexpected {type(error).__name__}: {error}; run with `sightline --debug …` for the details")
            raise typer.Exit(EXIT_FAILED) from error


def _tell(ctx: Any, message: str) -> None:
    say_error(message)
    if ctx.params.get("debug"):
        typer.echo(plain(traceback.format_exc()), err=True)


app = typer.Typer(
    cls=Program,
    name="sightline",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def sightline(
    debug: Annotated[bool, typer.Option("--debug", envvar=_DEBUG_VARIABLE, help="Show tracebacks of errors.")] = False,
) -> None:
    """Live cameras in, verified and explained alerts out.

    \b
    First steps:
      sightline demo                                      see it work on a rendered scene
      sightline watch clip.mp4 --save report.html         what moves in a video
      sightline check --example > site.yaml               a site file to start from
      sightline check site.yaml && sightline run site.yaml
      sightline why --camera yard --at 22:14 --site site.yaml
    """


@app.command()
def version() -> None:
    """Print the version."""
    out().print(f"sightline {distribution_version('sightline')}")


app.command()(run)
app.command(epilog=EPILOG)(watch)
app.command()(demo)
app.command()(check)
app.command()(ingest)
app.command()(doctor)
app.command()(why)
app.command()(coverage)
app.command()(budget)
app.command()(ask)
app.command()(mcp)
app.command()(erase)
app.command("eval")(evaluate)
app.command()(backtest)
app.command("learn-rules")(learn_rules)
app.command()(train)
app.command()(api)
app.add_typer(cameras, name="cameras")
app.add_typer(cluster, name="cluster")
for _review_command in (confirm, reject, precision):
    incidents.command()(_review_command)
incidents.command()(replay)
app.add_typer(incidents, name="incidents")
app.add_typer(forecasts, name="forecasts")
app.add_typer(learned, name="learned")
app.add_typer(channels, name="channels")
app.command("replay-dead-letters")(replay_dead_letters)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")
app.command()(audit)
