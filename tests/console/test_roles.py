"""What each action takes, and who may: the table that a new action cannot stay out of."""

from __future__ import annotations

import pytest

from pipeline.console.access import NOBODY, Principal
from pipeline.console.roles import NEEDS, Action, Role, Scope, read_roles, read_scopes
from pipeline.errors import ConfigError
from tests.support.people import access

ALL = frozenset(Scope)
OF_ANYONE = {Action.PUBLIC, Action.OWN_ACCOUNT}
OF_VIEWERS = OF_ANYONE | {
    Action.SEE_CAMERAS,
    Action.SEE_LIVE,
    Action.SEE_INCIDENTS,
    Action.SEE_EVIDENCE,
    Action.SEE_COVERAGE,
    Action.SEE_HEALTH,
    Action.SEE_RULES,
    Action.ASK_WHY,
    Action.SEARCH,
    Action.ASK,
}
OF_OPERATORS = OF_VIEWERS | {Action.REVIEW, Action.REPLAY}
SITE_WIDE = {action for action, need in NEEDS.items() if need.is_site_wide}
MAY = {Role.VIEWER: OF_VIEWERS, Role.OPERATOR: OF_OPERATORS, Role.ADMIN: set(Action) - SITE_WIDE}


def test_every_action_says_what_it_takes() -> None:
    """A new one without a row fails here."""
    assert set(NEEDS) == set(Action)


@pytest.mark.parametrize("camera_id", ["yard", "gate", "vault"])
@pytest.mark.parametrize("group", ["*", "outdoors", "yard"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_who_may_do_what_with_which_camera(action: Action, role: Role, group: str, camera_id: str) -> None:
    """Role by action by group by camera: in one's group as far as the role goes, elsewhere as anybody signed in."""
    is_member = group in {"*", camera_id} or (group == "outdoors" and camera_id != "vault")
    expected = action in (MAY[role] if is_member else OF_ANYONE)
    if action in SITE_WIDE:
        expected = group == "*" and (role is Role.ADMIN or (role is Role.OPERATOR and action is Action.SEE_SYSTEM))
    assert access().allows(Principal("anna", {group: role}, ALL), action, camera_id) is expected


@pytest.mark.parametrize("action", sorted(set(Action) - OF_ANYONE))
def test_a_token_without_the_scope_may_not(action: Action) -> None:
    """Whatever the role of its owner."""
    scopes = ALL - {scope for scope in [NEEDS[action].scope] if scope is not None}
    assert not access().allows(Principal("anna/robot", {"*": Role.ADMIN}, scopes), action, "yard")


@pytest.mark.parametrize("action", Action)
def test_nobody_may_only_what_is_public(action: Action) -> None:
    """Not even see who they are."""
    assert access().allows(NOBODY, action) is (action is Action.PUBLIC)


def test_the_highest_role_of_a_camera_counts() -> None:
    """A viewer of everything who is operator of one group reviews there, and there alone."""
    anna = Principal("anna", {"*": Role.VIEWER, "outdoors": Role.OPERATOR}, ALL)
    assert access().visible(anna, Action.REVIEW, ["vault", "yard", "gate"]) == ["yard", "gate"]
    assert access().visible(anna, Action.SEE_INCIDENTS, ["vault", "yard"]) == ["vault", "yard"]


def test_without_a_camera_some_camera_is_enough_but_not_for_the_whole_site() -> None:
    """A list may be asked for by whoever sees some of it; the site's rules take the role for all cameras."""
    anna = Principal("anna", {"yard": Role.ADMIN}, ALL)
    assert access().allows(anna, Action.SEE_INCIDENTS)
    assert not access().allows(anna, Action.CHANGE_RULES)


def test_a_camera_that_left_the_site_is_seen_by_its_id_and_by_everyones_role() -> None:
    """Its labels are not known any more."""
    old = Principal("anna", {"old": Role.VIEWER}, ALL)
    assert access().allows(old, Action.SEE_INCIDENTS, "old")
    assert not access().allows(Principal("b", {"outdoors": Role.ADMIN}, ALL), Action.SEE_INCIDENTS, "old")


def test_roles_are_read_as_typed() -> None:
    """Alone for every camera, or by group."""
    expected = {"*": Role.VIEWER, "yard": Role.OPERATOR}
    assert read_roles(["viewer", "yard=operator"]) == expected
    assert read_roles(["*=viewer", "yard=operator"]) == expected


@pytest.mark.parametrize("texts", [["boss"], ["yard=boss"], ["a b=viewer"], ["../x=viewer"], []])
def test_a_wrong_role_is_refused(texts: list[str]) -> None:
    """With the right ones."""
    with pytest.raises(ConfigError, match="viewer, operator"):
        read_roles(texts)


@pytest.mark.parametrize("texts", [["write"], []])
def test_a_wrong_scope_is_refused(texts: list[str]) -> None:
    """With the right ones."""
    with pytest.raises(ConfigError, match="read, evidence, review, rules, system, people"):
        read_scopes(texts)
