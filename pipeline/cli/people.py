"""`sightline users add|list|password|roles|disable|enable` and `sightline tokens make|list|revoke`: who may sign in.

Whoever may write the data folder may do all of it; every change is in the audit log, under the system's name of them.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import local_time, out, plain, say_json
from pipeline.console.roles import Action, Scope, read_roles, read_scopes
from pipeline.contracts.values import parse_duration
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.store.people import ApiToken, SqlPeople, User

users = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Accounts of the console and the API.")
tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokens by which programs use the API.")

_SHOWN_ONCE = "shown this once: keep it as you keep a password"
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.", show_default=False)]
RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", help="viewer, operator or admin; for some cameras only: GROUP=ROLE, an id or a label."),
]


@users.command()
def add(
    name: NameArgument,
    role: RoleOption = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Nobody signs in: it owns API tokens.")] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
) -> None:
    """Add an account; its password is asked for, or read as one line of standard input.

    \b
      sightline users add anna --role operator --site site.yaml
      sightline users add ben --role viewer --role yard=operator
      sightline users add billing --role viewer --no-password
    """
    from pipeline.console.access import new_user
    from pipeline.console.passwords import Passwords

    user = new_user(name, read_roles(role or ()), "", datetime.now(UTC))
    with _people(data_dir, site, must_exist=False) as (people, _):
        if people.user(name) is not None:
            raise ConfigError(f"there is an account {name} already; `sightline users --help` shows what can be changed")
        password_hash = "" if no_password else Passwords().hashed(_ask_password())
        user = new_user(name, read_roles(role or ()), password_hash, user.created_at)
        if not people.add_user(user):
            raise ConfigError(f"there is an account {name} already: it was added just now")
        _note(people, f"users add {name}: {_roles_in_words(user)}")
    out().print(plain(f"account {name} added: {_roles_in_words(user)}"))


@users.command("list")
def list_users(data_dir: DataDirOption = None, site: SiteOption = None, as_json: JsonOption = False) -> None:
    """List the accounts.

    \b
      sightline users list --site site.yaml
    """
    with _people(data_dir, site) as (people, zone):
        found = people.users()
    if as_json:
        say_json([_user_json(user) for user in found])
    elif not found:
        out().print("no accounts yet: `sightline users add NAME --role admin`, or the link that a first start prints")
    else:
        table = Table("name", "roles", "since", "signs in", box=None, pad_edge=False)
        for user in found:
            table.add_row(user.name, _roles_in_words(user), local_time(user.created_at, zone), _signs_in(user))
        out().print(table)


@users.command()
def password(name: NameArgument, data_dir: DataDirOption = None, site: SiteOption = None) -> None:
    """Set another password; whoever is signed in with the old one is signed out.

    \b
      sightline users password anna --site site.yaml
    """
    from pipeline.console.passwords import Passwords

    with _people(data_dir, site) as (people, _):
        _known(people, name)
        people.set_password(name, Passwords().hashed(_ask_password()))
        _note(people, f"users password {name}")
    out().print(f"account {name}: another password, and its sessions are over")


@users.command()
def roles(name: NameArgument, role: RoleOption = None, data_dir: DataDirOption = None, site: SiteOption = None) -> None:
    """Give an account these roles in place of those it has; they count at once.

    \b
      sightline users roles anna --role viewer --role yard=admin
    """
    given = {group: each.value for group, each in read_roles(role or ()).items()}
    with _people(data_dir, site) as (people, _):
        _known(people, name)
        people.set_roles(name, given)
        changed = _roles_in_words(_known(people, name))
        _note(people, f"users roles {name}: {changed}")
    out().print(plain(f"account {name}: {changed}"))


@users.command()
def disable(name: NameArgument, data_dir: DataDirOption = None, site: SiteOption = None) -> None:
    """Shut an account out, with its open sessions and its API tokens. What it did stays in the audit log.

    \b
      sightline users disable anna --site site.yaml
    """
    with _people(data_dir, site) as (people, _):
        _known(people, name)
        people.set_disabled(name, datetime.now(UTC))
        _note(people, f"users disable {name}")
    out().print(f"account {name} is disabled, and its sessions are over")


@users.command()
def enable(name: NameArgument, data_dir: DataDirOption = None, site: SiteOption = None) -> None:
    """Let a disabled account in again, with the password and the API tokens it had.

    \b
      sightline users enable anna --site site.yaml
    """
    with _people(data_dir, site) as (people, _):
        _known(people, name)
        people.set_disabled(name, None)
        _note(people, f"users enable {name}")
    out().print(f"account {name} is enabled")


@tokens.command()
def make(
    user: Annotated[str, typer.Argument(metavar="ACCOUNT", help="For whom it acts.", show_default=False)],
    name: Annotated[str, typer.Option(metavar="TEXT", help="What it is for; shown in the audit log.")] = "token",
    scope: Annotated[list[str] | None, typer.Option(help=f"{', '.join(Scope)}.  [default: read]")] = None,
    lasts: Annotated[str, typer.Option("--for", metavar="DURATION", help="At most 366d.")] = "90d",
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API token: it may what its account may, within its scopes, until it expires.

    \b
      sightline tokens make billing --name monthly-report --for 30d
      sightline tokens make anna --scope read --scope evidence --json | jq -r .token
    """
    from pipeline.console.tokens import make_token

    scopes = read_scopes(scope or [Scope.READ])
    with _people(data_dir, site) as (people, zone):
        if _known(people, user).disabled_at is not None:
            raise ConfigError(f"the account {user} is disabled; `sightline users enable {user}` lets it in again")
        text, kept = make_token(user, name[:100], scopes, datetime.now(UTC), for_seconds=_seconds(lasts))
        people.add_token(kept)
        _note(people, f"tokens make {kept.id} for {user}: {', '.join(kept.scopes)}")
    if as_json:
        say_json(_token_json(kept) | {"token": text})
        return
    out().print(text)
    out().print(f"token {kept.id} of {user} until {local_time(kept.expires_at, zone)}; {_SHOWN_ONCE}")


@tokens.command("list")
def list_tokens(data_dir: DataDirOption = None, site: SiteOption = None, as_json: JsonOption = False) -> None:
    """List the API tokens that were not revoked; what opens is not shown, and is kept nowhere.

    \b
      sightline tokens list --site site.yaml
    """
    with _people(data_dir, site) as (people, zone):
        found = people.tokens()
    if as_json:
        say_json([_token_json(token) for token in found])
    elif not found:
        out().print("no API tokens: `sightline tokens make ACCOUNT`")
    else:
        table = Table("id", "account", "name", "scopes", "until", box=None, pad_edge=False)
        for token in found:
            until = local_time(token.expires_at, zone)
            is_over = token.expires_at <= datetime.now(UTC)
            scopes = ", ".join(token.scopes)
            table.add_row(token.id, token.user_name, plain(token.name), scopes, f"{until} (over)" if is_over else until)
        out().print(table)


@tokens.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `tokens list` shows it.", show_default=False)],
    data_dir: DataDirOption = None,
    site: SiteOption = None,
) -> None:
    """Make an API token worthless, at once.

    \b
      sightline tokens revoke 3f2a9c1b77de --site site.yaml
    """
    with _people(data_dir, site) as (people, _):
        if not people.revoke_token(token_id):
            raise ConfigError(f"there is no API token {token_id}; `sightline tokens list` shows their ids")
        _note(people, f"tokens revoke {token_id}")
    out().print(f"API token {token_id} is revoked")


@contextmanager
def _people(data_dir: Path | None, site: Path | None, *, must_exist: bool = True) -> Iterator[tuple[SqlPeople, tzinfo]]:
    from pipeline.store.people import SqlPeople

    with kept_data(data_dir, site, must_exist=must_exist) as (stores, zone):
        yield SqlPeople(stores.database), zone


def _known(people: SqlPeople, name: str) -> User:
    user = people.user(name)
    if user is None:
        raise ConfigError(f"there is no account {name}; `sightline users list` shows those there are")
    return user


def _ask_password() -> str:
    """Typed twice and unseen; from a pipe, its first line."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _note(people: SqlPeople, what: str) -> None:
    from pipeline.store.people import AuditEntry

    who = f"{getpass.getuser()} (command line)"
    entry = AuditEntry.of(datetime.now(UTC), who, Action.MANAGE_PEOPLE.value, target=what, address="this machine")
    people.note(entry)


def _seconds(text: str) -> float:
    try:
        return float(parse_duration(text))
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from error


def _roles_in_words(user: User) -> str:
    return ", ".join(role if group == "*" else f"{role} of {group}" for group, role in sorted(user.roles.items()))


def _signs_in(user: User) -> str:
    if user.disabled_at is not None:
        return "disabled"
    if user.subject is not None:
        return "by the identity provider"
    return "with a password" if user.password_hash else "not: API tokens only"


def _user_json(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "roles": dict(user.roles),
        "created_at": user.created_at.isoformat(),
        "disabled_at": user.disabled_at.isoformat() if user.disabled_at else None,
        "has_password": bool(user.password_hash),
        "subject": user.subject,
    }


def _token_json(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "account": token.user_name,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
    }
