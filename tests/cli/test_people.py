"""`sightline users` and `sightline tokens`: who may sign in, and which programs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.program import app
from pipeline.clock import SystemClock
from pipeline.console.access import AccessBook
from pipeline.console.roles import Role, Scope
from pipeline.settings import AccessSettings
from pipeline.store.database import Database
from pipeline.store.people import AuditFilter, SqlPeople
from tests.support.people import PASSWORD, access, cheap_passwords


def sightline(folder: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    line = [*arguments, "--data-dir", str(folder)]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, line, input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one account, `anna`, a viewer who reviews in the yard: made by adding it."""
    folder = tmp_path_factory.mktemp("people") / "not" / "there yet"
    arguments = ("users", "add", "anna", "--role", "viewer", "--role", "yard=operator")
    assert sightline(folder, *arguments, stdin=f"{PASSWORD}\n")[0] == 0
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(original, tmp_path / "data"))


@pytest.fixture
def book(folder: Path) -> Iterator[AccessBook]:
    """What a running console would look in."""
    database = Database(f"sqlite:///{folder / 'sightline.db'}")
    yield AccessBook(SqlPeople(database), access(), SystemClock(), AccessSettings(), cheap_passwords())
    database.close()


def test_an_account_added_signs_in(book: AccessBook) -> None:
    """Before any run has made the folder, with the password of standard input and the roles given."""
    opened = book.sign_in("anna", PASSWORD, "")
    assert opened.principal.roles == {"*": Role.VIEWER, "yard": Role.OPERATOR}
    assert book.first_link_secret() is None


@pytest.mark.parametrize(
    ("arguments", "password", "message"),
    [
        (["anna", "--role", "admin"], PASSWORD, "there is an account anna already"),
        (["ben"], PASSWORD, "a role is missing"),
        (["ben", "--role", "boss"], PASSWORD, "expected viewer, operator, admin"),
        (["ben", "--role", "admin"], "short", "expected a password of 12 to 1000 characters, got 5"),
        (["ben", "--role", "admin"], "", "got 0"),
        (["b n", "--role", "admin"], PASSWORD, "expected a name of"),
    ],
)
def test_an_account_that_will_not_do_is_refused(
    folder: Path, book: AccessBook, arguments: list[str], password: str, message: str
) -> None:
    """In so many words, and nothing is kept."""
    status, _, error = sightline(folder, "users", "add", *arguments, stdin=f"{password}\n")
    assert (status, [user.name for user in book.people.users()]) == (2, ["anna"])
    assert message in error


def test_accounts_are_listed_without_their_secrets(folder: Path) -> None:
    """For people and for scripts."""
    sightline(folder, "users", "add", "billing", "--role", "viewer", "--no-password")
    sightline(folder, "users", "disable", "anna")
    status, text, _ = sightline(folder, "users", "list")
    assert status == 0
    assert re.search(r"anna\s+viewer, operator of yard\s.*disabled", text)
    assert re.search(r"billing\s+viewer\s.*API tokens only", text)
    rows = json.loads(sightline(folder, "users", "list", "--json")[1])
    assert [(row["name"], row["has_password"]) for row in rows] == [("anna", True), ("billing", False)]
    assert "argon2" not in text + str(rows)


def test_a_new_password_ends_what_the_old_one_opened(folder: Path, book: AccessBook) -> None:
    """And lets its owner in."""
    secret = book.sign_in("anna", PASSWORD, "").secret
    assert sightline(folder, "users", "password", "anna", stdin="another long one\n")[0] == 0
    assert book.of_cookie(secret) is None
    book.sign_in("anna", "another long one", "")


def test_a_disabled_account_comes_back_when_enabled(folder: Path, book: AccessBook) -> None:
    """With other roles, if it was given them meanwhile."""
    assert sightline(folder, "users", "disable", "anna")[0] == 0
    assert sightline(folder, "users", "roles", "anna", "--role", "admin")[0] == 0
    assert sightline(folder, "users", "enable", "anna")[0] == 0
    assert book.sign_in("anna", PASSWORD, "").principal.roles == {"*": Role.ADMIN}


def test_a_token_is_shown_once_and_works(folder: Path, book: AccessBook) -> None:
    """Within its scopes; the list knows it by its id."""
    line = ("tokens", "make", "anna", "--name", "wall", "--scope", "read", "--scope", "evidence")
    status, text, _ = sightline(folder, *line)
    token = text.splitlines()[0]
    known = book.of_token(token)
    assert status == 0
    assert known is not None
    assert (known.name, known.scopes) == ("anna/wall", frozenset({Scope.READ, Scope.EVIDENCE}))
    listed = sightline(folder, "tokens", "list")[1]
    assert token.split("_")[1] in listed
    assert token not in listed


def test_a_revoked_token_is_worthless(folder: Path, book: AccessBook) -> None:
    """Read as JSON, as a script would."""
    made = json.loads(sightline(folder, "tokens", "make", "anna", "--for", "30d", "--json")[1])
    assert book.of_token(made["token"]) is not None
    assert sightline(folder, "tokens", "revoke", made["id"])[0] == 0
    assert book.of_token(made["token"]) is None
    assert sightline(folder, "tokens", "list")[1] == "no API tokens: `sightline tokens make ACCOUNT`\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tokens", "make", "nobody"], "there is no account nobody"),
        (["tokens", "make", "anna", "--scope", "write"], "expected one or more of read, evidence"),
        (["tokens", "make", "anna", "--for", "soon"], "expected a duration"),
        (["tokens", "make", "anna", "--for", "nan"], "366 days"),
        (["tokens", "make", "anna", "--for", "2000d"], "366 days"),
        (["tokens", "revoke", "12"], "there is no API token 12"),
        (["users", "disable", "nobody"], "there is no account nobody"),
        (["users", "password", "nobody"], "there is no account nobody"),
        (["users", "roles", "anna"], "a role is missing"),
    ],
)
def test_what_cannot_be_is_said(folder: Path, arguments: list[str], message: str) -> None:
    """Exit status 2, one message."""
    status, _, error = sightline(folder, *arguments)
    assert status == 2
    assert message in error


def test_changes_are_in_the_audit_log(folder: Path, book: AccessBook) -> None:
    """Under the system's name of whoever made them; no secret among them."""
    sightline(folder, "tokens", "make", "anna")
    sightline(folder, "users", "disable", "anna")
    told = [entry.target for entry in reversed(book.people.audit(AuditFilter()))]
    assert told[0] == "users add anna: viewer, operator of yard"
    assert re.fullmatch(r"tokens make [0-9a-f]{12} for anna: read", told[1])
    assert told[2:] == ["users disable anna"]


def test_looking_makes_no_data(tmp_path: Path) -> None:
    """A wrong folder is said to be one; only `users add` may begin it."""
    status, _, error = sightline(tmp_path / "wrong", "users", "list")
    assert (status, (tmp_path / "wrong").exists()) == (2, False)
    assert "no Sightline data" in error
