"""The pages about accounts: one's own, and everybody's for administrators."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pipeline.console.access import Identity
from pipeline.console.roles import Role
from pipeline.store.people import AuditEntry
from tests.support.browser import FindFaults, OpenPage
from tests.support.browsing import signed_in
from tests.support.console_api import Desk, desk
from tests.support.console_demo import Console
from tests.support.people import PASSWORD

NEW = "a horse of another colour"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """To look at only."""
    with desk(tmp_path_factory.mktemp("accounts")) as made:
        yield made


def test_the_page_of_everybody_is_for_administrators(shown: Desk) -> None:
    """As is the audit log; the way there is offered to nobody else."""
    for who, status in (("ada", 200), ("olu", 403), ("yuri", 403)):
        client = signed_in(shown, who)
        assert [client.get(path).status_code for path in ("/people", "/people/audit")] == [status] * 2
        assert ('href="/people"' in client.get("/account").text) == (status == 200)


def test_a_program_has_no_page(shown: Desk) -> None:
    """Its token opens no account's page, so it makes no further tokens."""
    assert shown.client("ada").get("/account").status_code == 403


def test_what_the_provider_keeps_is_not_offered(shown: Desk) -> None:
    """Neither password nor roles, of oneself and of others."""
    opened = shown.book.enter(Identity("x 1", "anna@example.org", {"*": Role.ADMIN}), "10.0.0.9")
    client = signed_in(shown)
    client.cookies.clear()
    own = client.get("/account", headers={"Cookie": f"__Host-sightline={opened.secret}"}).text
    assert "kept by the identity provider" in own
    assert 'type="password"' not in own
    people = signed_in(shown).get("/people").text
    anna = people.partition(">anna@example.org")[2].partition("</article>")[0]
    assert "by the identity provider" in anna
    assert "<form" not in anna


def test_the_audit_log_goes_on_where_a_page_ends(shown: Desk) -> None:
    """With what was asked for."""
    client = signed_in(shown)
    for _ in range(101):
        shown.book.people.note(AuditEntry.of(shown.clock.now(), "ada", "see evidence", target="&<b>"))
    page = client.get("/people/audit?who=ada").text
    older = re.search(r'href="(/people/audit\?who=ada[^"]+)"', page)
    assert older is not None
    assert client.get(older.group(1).replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize("query", ["since=soon", "cursor=x", "since=9999-99-99"])
def test_what_nobody_understands_is_said_on_a_page(shown: Desk, query: str) -> None:
    """Not as JSON, to who sits at a browser."""
    answer = signed_in(shown).get(f"/people/audit?{query}", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")


@pytest.mark.browser
def test_one_changes_ones_password(console: Console, open_page: OpenPage, axe: FindFaults) -> None:
    """Typed twice; every other browser is signed out, and this one goes on."""
    other = open_page("/account", role="indoors")
    page = open_page("/account", role="indoors", width=390)
    assert axe(page) == []
    page.get_by_label("The password until now").fill(PASSWORD)
    page.get_by_label("The new one", exact=True).fill(NEW)
    page.get_by_label("The new one again").fill("something else again")
    page.get_by_role("button", name="Change the password").click()
    assert page.get_by_label("The new one again").evaluate("field => field.validationMessage")
    page.get_by_label("The new one again").fill(NEW)
    with page.expect_navigation():
        page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("this browser")).to_have_count(1)
    other.goto("/account")
    expect(other).to_have_url(re.compile("/sign-in"))
    assert console.book.sign_in("ines", NEW, "").principal.name == "ines"


@pytest.mark.browser
def test_one_makes_a_token_and_revokes_it(open_page: OpenPage, axe: FindFaults) -> None:
    """It is shown once, and is gone from the page with its dialog."""
    page = open_page("/account", role="viewer", theme="dark")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("summary", has_text="Make a token").click()
    page.get_by_label("What for").fill("report <b>x</b>")
    page.get_by_label("evidence: pictures and clips").check()
    page.get_by_role("button", name="Make a token").click()
    token = page.get_by_label("Token", exact=True)
    expect(token).to_have_value(re.compile("^sl_"))
    assert axe(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assert "sl_" not in page.content()
    row = page.locator("#tokens tbody tr")
    expect(row).to_contain_text("report <b>x</b>")
    expect(row).to_contain_text("evidence, read")
    row.get_by_role("button", name="Revoke").click()
    expect(page.locator("#tokens")).to_have_text("No API tokens.")


def person(page: Page, name: str) -> Page:
    """Their card."""
    return page.get_by_role("article").filter(has=page.get_by_role("heading", name=name))  # type: ignore[return-value]


@pytest.mark.browser
def test_an_administrator_adds_somebody_and_shuts_them_out(
    console: Console, open_page: OpenPage, axe: FindFaults
) -> None:
    """Name, password and roles in one form; then other roles; then out. All of it is in the audit log."""
    page = open_page("/people", role="admin")
    page.on("dialog", lambda dialog: dialog.accept())
    assert axe(page) == []
    page.locator("summary", has_text="Add an account").click()
    form = page.locator("form", has=page.get_by_label("Password to begin with"))
    form.get_by_label("Name").fill("ben")
    form.get_by_label("Password to begin with").fill(PASSWORD)
    form.get_by_label("On some, beside that").fill("yard=operator")
    form.get_by_role("button", name="Add").click()
    expect(person(page, "ben")).to_contain_text("operator · yard")
    assert console.book.sign_in("ben", PASSWORD, "").principal.roles == {"*": "viewer", "yard": "operator"}
    person(page, "ben").locator("summary", has_text="Roles").click()
    person(page, "ben").get_by_label("On every camera").select_option("")
    person(page, "ben").get_by_role("button", name="Give these roles").click()
    expect(person(page, "ben")).not_to_contain_text("every camera", use_inner_text=True)
    person(page, "ben").get_by_role("button", name="Shut out").click()
    expect(person(page, "ben")).to_contain_text("disabled")
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("table")).to_contain_text("roles of ben: operator of yard")
    assert axe(page) == []


@pytest.mark.browser
def test_what_cannot_be_is_said_and_what_was_typed_stays(open_page: OpenPage) -> None:
    """A name that is taken."""
    page = open_page("/people", role="admin", width=390, lang="zh")
    page.locator("summary", has_text="添加账户").click()
    form = page.locator("form", has=page.get_by_label("初始密码"))
    form.get_by_label("名称").fill("olu")
    form.get_by_role("button", name="添加").click()
    expect(page.locator("#notices")).to_contain_text("there is an account olu already")
    expect(form.get_by_label("名称")).to_have_value("olu")
