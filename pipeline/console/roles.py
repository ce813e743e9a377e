"""What can be done in the console and the API, and what each of it takes: a role, a scope, a camera.

A role is given by camera group: a camera's id, one of its labels, or `*` for all. What a role may, the higher ones
may too. A scope narrows an API token; a person signed in has them all. Nothing here knows of the web or of a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from pipeline.contracts.values import Identifier
from pipeline.errors import ConfigError

EVERY_CAMERA = "*"
_GROUP: TypeAdapter[str] = TypeAdapter(Identifier)


class Role(StrEnum):
    """Who one is to a group of cameras, least first."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Role).index(self)


class Scope(StrEnum):
    """What an API token may be used for."""

    READ = "read"
    """Cameras, incidents in words, coverage, `why`, search, ask, health."""
    EVIDENCE = "evidence"
    """Pictures and clips."""
    REVIEW = "review"
    """Confirm, reject, acknowledge, replay."""
    RULES = "rules"
    """Rules and the site file."""
    SYSTEM = "system"
    """Deliveries, dead letters, budgets."""
    PEOPLE = "people"
    """Accounts and the audit log."""


class Action(StrEnum):
    """Everything that can be asked of the console; every route names one."""

    PUBLIC = "public"
    """Whoever comes: signing in, liveness, the program's own style sheets."""
    OWN_ACCOUNT = "own account"
    SEE_CAMERAS = "see cameras"
    SEE_LIVE = "see live"
    SEE_INCIDENTS = "see incidents"
    SEE_EVIDENCE = "see evidence"
    SEE_COVERAGE = "see coverage"
    SEE_HEALTH = "see health"
    SEE_RULES = "see rules"
    ASK_WHY = "ask why"
    SEARCH = "search"
    ASK = "ask"
    REVIEW = "review"
    REPLAY = "replay"
    CHECK_RULES = "check rules"
    CHANGE_RULES = "change rules"
    BACKTEST = "backtest"
    SEE_SYSTEM = "see system"
    REDRIVE = "redrive"
    SEE_AUDIT = "see audit"
    MANAGE_PEOPLE = "manage people"


@dataclass(frozen=True, slots=True)
class Need:
    """What an action takes."""

    role: Role | None = None
    """At least this; None for whoever is signed in."""
    scope: Scope | None = None
    """A token needs it; None for any token."""
    is_site_wide: bool = False
    """It concerns more than cameras one by one: the role is needed for all of them."""
    is_logged: bool = False
    """A look at evidence, or a change: it goes into the audit log."""


NEEDS: Mapping[Action, Need] = {
    Action.PUBLIC: Need(),
    Action.OWN_ACCOUNT: Need(),
    Action.SEE_CAMERAS: Need(Role.VIEWER, Scope.READ),
    Action.SEE_LIVE: Need(Role.VIEWER, Scope.EVIDENCE, is_logged=True),
    Action.SEE_INCIDENTS: Need(Role.VIEWER, Scope.READ),
    Action.SEE_EVIDENCE: Need(Role.VIEWER, Scope.EVIDENCE, is_logged=True),
    Action.SEE_COVERAGE: Need(Role.VIEWER, Scope.READ),
    Action.SEE_HEALTH: Need(Role.VIEWER, Scope.READ),
    Action.SEE_RULES: Need(Role.VIEWER, Scope.READ),
    Action.ASK_WHY: Need(Role.VIEWER, Scope.READ),
    Action.SEARCH: Need(Role.VIEWER, Scope.READ),
    Action.ASK: Need(Role.VIEWER, Scope.READ),
    Action.REVIEW: Need(Role.OPERATOR, Scope.REVIEW, is_logged=True),
    Action.REPLAY: Need(Role.OPERATOR, Scope.REVIEW, is_logged=True),
    Action.CHECK_RULES: Need(Role.ADMIN, Scope.RULES, is_site_wide=True),
    Action.CHANGE_RULES: Need(Role.ADMIN, Scope.RULES, is_site_wide=True, is_logged=True),
    Action.BACKTEST: Need(Role.ADMIN, Scope.RULES, is_site_wide=True, is_logged=True),
    Action.SEE_SYSTEM: Need(Role.OPERATOR, Scope.SYSTEM, is_site_wide=True),
    Action.REDRIVE: Need(Role.ADMIN, Scope.SYSTEM, is_site_wide=True, is_logged=True),
    Action.SEE_AUDIT: Need(Role.ADMIN, Scope.PEOPLE, is_site_wide=True, is_logged=True),
    Action.MANAGE_PEOPLE: Need(Role.ADMIN, Scope.PEOPLE, is_site_wide=True, is_logged=True),
}


def read_roles(texts: Iterable[str]) -> dict[str, Role]:
    """`operator` (for every camera) or `GROUP=ROLE`, as typed on a command line; `ConfigError` names the wrong one."""
    roles: dict[str, Role] = {}
    for text in texts:
        group, _, role = text.rpartition("=")
        group = group or EVERY_CAMERA
        try:
            roles[group if group == EVERY_CAMERA else _GROUP.validate_python(group)] = Role(role)
        except (ValidationError, ValueError) as error:
            expected = f"expected {', '.join(Role)}, or GROUP=ROLE with a camera's id or label, such as yard=operator"
            raise ConfigError(f"{expected}; got {text!r}") from error
    if not roles:
        raise ConfigError("a role is missing: viewer, operator or admin, or GROUP=ROLE for some cameras only")
    return roles


def read_scopes(texts: Iterable[str]) -> frozenset[Scope]:
    """Scopes by name; `ConfigError` for an unknown one and for none."""
    given = list(texts)
    unknown = [text for text in given if text not in set(Scope)]
    if unknown or not given:
        raise ConfigError(f"expected one or more of {', '.join(Scope)}; got {', '.join(unknown) or 'none'}")
    return frozenset(Scope(text) for text in given)
