"""The application as a whole: its borders, its OpenAPI, its port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.console.guard import actions_of
from pipeline.console.roles import Action
from pipeline.console.server import MAX_BODY_BYTES, ConsoleServer
from pipeline.errors import ConfigError
from tests.support.archive import BAG
from tests.support.console_api import Desk, desk


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """To look at only."""
    with desk(tmp_path_factory.mktemp("server")) as made:
        yield made


def test_every_route_names_what_is_done_there(shown: Desk) -> None:
    """No route without an action, so none that nobody guards."""
    actions = actions_of(shown.app)
    assert len(actions) >= 20
    assert all(actions.values())


def test_whoever_has_not_signed_in_sees_nothing(shown: Desk) -> None:
    """401 on every route but those for signing in, and the one that says the server is alive."""
    for name, action in actions_of(shown.app).items():
        method, path = name.split(" ")
        path = path.replace("{camera_id}", "yard").replace("{incident_id}", BAG.id)
        assert action is Action.PUBLIC or shown.client(None).request(method, path).status_code == 401, name


@pytest.mark.parametrize("path", ["/api/v1/cameras", "/nothing", "/api/v1/openapi.json"])
def test_every_answer_bears_what_keeps_a_browser_in_check(shown: Desk, path: str) -> None:
    """Answers and errors alike."""
    headers = shown.client().get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert headers["cache-control"] == "no-store"


def test_what_is_not_there_and_what_is_not_done_are_problems(shown: Desk) -> None:
    """404 and 405 as every other error."""
    client = shown.client()
    for answer, status in ((client.get("/api/v1/nothing"), 404), (client.delete("/api/v1/cameras"), 405)):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_body_beyond_all_measure_is_refused(shown: Desk) -> None:
    """413, whatever is in it."""
    answer = shown.client().post(
        f"/api/v1/incidents/{BAG.id}/confirm",
        content=b"x" * (MAX_BODY_BYTES + 1),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_a_body_that_is_no_json_is_refused(shown: Desk) -> None:
    """400 in words."""
    answer = shown.client().post(
        f"/api/v1/incidents/{BAG.id}/confirm", content=b"\xff{", headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_mistake_of_the_program_keeps_its_words_to_the_log(tmp_path: Path) -> None:
    """500 with a number, and the headers of every answer."""

    def broken() -> None:
        raise RuntimeError("the secret is 1234")

    with desk(tmp_path, site=broken) as made:
        answer = made.client().get("/api/v1/cameras")
    assert (answer.status_code, answer.headers["x-frame-options"]) == (500, "DENY")
    assert "1234" not in answer.text
    assert "its log has it under" in answer.json()["detail"]


def test_a_dead_database_is_said_in_words(tmp_path: Path) -> None:
    """503 and when to try again; it is back when the database is."""
    with desk(tmp_path) as made:
        client, file = made.client(), tmp_path / "sightline.db"
        made.stores.close()
        file.rename(tmp_path / "away.db")
        file.mkdir()
        answer = client.get("/api/v1/incidents")
        file.rmdir()
        (tmp_path / "away.db").rename(file)
        assert (answer.status_code, "cannot now" in answer.json()["detail"]) == (503, True)
        assert answer.headers["retry-after"]
        assert client.get("/api/v1/incidents").status_code == 200


def test_the_description_names_every_route_and_its_problems(shown: Desk) -> None:
    """OpenAPI as it is served: each operation with its answers, problems as problem+json, and nothing dangling."""
    told = shown.client(None).get("/api/v1/openapi.json").json()
    operations = {f"{m.upper()} {path}": o for path, methods in told["paths"].items() for m, o in methods.items()}
    assert set(operations) == {name for name in actions_of(shown.app) if " /api/" in name}
    for operation in operations.values():
        assert {"200", "204"} & set(operation["responses"])
        assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]
    names = set(told["components"]["schemas"])
    text = shown.client(None).get("/api/v1/openapi.json").text
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names


def test_nothing_listens_beyond_loopback_without_being_told(shown: Desk) -> None:
    """It says what to do instead."""
    with pytest.raises(ConfigError, match="not loopback"):
        ConsoleServer(shown.app, "0.0.0.0", 0)


def test_a_port_that_is_taken_is_said_before_anything_starts(shown: Desk) -> None:
    """With the port."""
    first = ConsoleServer(shown.app, "127.0.0.1", 0)
    port = int(first.url.rpartition(":")[2])
    first.start()
    try:
        assert httpx.get(f"{first.url}/api/v1/alive", timeout=30).json() == {"alive": True}
        with pytest.raises(ConfigError, match=f"port {port}"):
            ConsoleServer(shown.app, "127.0.0.1", port)
    finally:
        first.stop()


def test_whoever_follows_is_let_go_when_it_stops(tmp_path: Path) -> None:
    """The stream of live changes ends as it should, and whoever follows comes again: nobody is waited for."""
    with desk(tmp_path) as made:
        server = ConsoleServer(made.app, "127.0.0.1", 0)
        server.start()
        headers = {"Authorization": f"Bearer {made.tokens['ada']}"}
        with httpx.stream("GET", f"{server.url}/api/v1/events", headers=headers, trust_env=False) as following:
            assert following.status_code == 200
            server.stop()
            assert list(following.iter_lines()) == []
        assert not server.is_serving
