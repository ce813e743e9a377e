"""The Python client on a server that listens."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.console.client import ApiError, LiveEvent, Sightline
from pipeline.console.server import ConsoleServer
from pipeline.errors import TransientError
from tests.support.archive import BAG, ENTRY, ScriptedChat, says
from tests.support.console_api import GATE, Desk, desk
from tests.support.reasoning import jpeg


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    """An API and its address."""
    chat = ScriptedChat([says(f"A bag was left [{BAG.id[:8]}].")])
    with desk(tmp_path_factory.mktemp("served"), chat=chat) as made:
        server = ConsoleServer(made.app, "127.0.0.1", 0)
        server.start()
        try:
            yield made, server.url
        finally:
            server.stop()


@pytest.fixture
def sightline(served: tuple[Desk, str]) -> Iterator[Sightline]:
    """As an administrator."""
    made, url = served
    with Sightline(url, made.tokens["ada"]) as client:
        yield client


def test_what_is_kept_is_read(sightline: Sightline) -> None:
    """Lists, one, pictures, accounts, why."""
    assert [camera.id for camera in sightline.cameras()] == ["gate", "yard"]
    assert [row.id for row in sightline.incidents()] == [GATE.id, ENTRY.id, BAG.id]
    assert sightline.incident(BAG.id).incident.camera_id == "yard"
    assert sightline.evidence(BAG.id, "picture-1") == jpeg(1600, 900)
    assert sightline.frame("yard") == jpeg(64, 36)
    assert sightline.coverage("yard", since="22:14", until="22:24").cameras[0].share == 0.8
    assert sightline.near_misses("yard", since="22:14", until="22:24").items == ()
    assert "No alert for entry at 22:14" in sightline.why("yard", "22:14").answers[0]
    assert sightline.search("red bag").items[0].id == BAG.id


def test_the_whole_is_read(sightline: Sightline) -> None:
    """Health, budgets, what is dead, rules, the site file."""
    assert sightline.health().cameras == 2
    assert [one.name for one in sightline.budgets().items] == ["loitering"]
    assert sightline.dead_deliveries().items == ()
    assert sightline.replay_deliveries().number == 0
    assert [each.rule.id for each in sightline.rules().items] == ["loitering", "entry", "camera-health"]
    site = sightline.site()
    assert sightline.check(site.text).problems == ()
    saved = sightline.save(f"{site.text}# more\n", site.version)
    assert saved.version != site.version
    assert [one.version for one in sightline.versions().items] == [saved.version, site.version]
    assert sightline.restore(site.version, saved.version).text == site.text


def test_accounts_and_the_audit_log_are_read(served: tuple[Desk, str], sightline: Sightline) -> None:
    """By an administrator's token; links to hand on open evidence."""
    made, _ = served
    assert {"ada", "gus"} <= {person.name for person in sightline.people()}
    picture = next(item for item in sightline.incident(BAG.id, links=True).evidence if item.name == "picture-1")
    assert made.client(None).get(picture.link).status_code == 200
    assert "link for ada/test" in {item.who for item in sightline.audit(camera="yard")}


def test_who_decides_on_what_has_changed_is_told(sightline: Sightline) -> None:
    """409 with its words."""
    last = sightline.incident(ENTRY.id).incident.last_change
    assert sightline.confirm(ENTRY.id, "the fox", after_change=last).kind == "reviewed"
    with pytest.raises(ApiError, match="look at it again") as caught:
        sightline.reject(ENTRY.id, after_change=last)
    assert caught.value.status == 409


def test_a_question_is_answered(sightline: Sightline) -> None:
    """With its evidence, last."""
    told = list(sightline.ask("what was left?"))
    assert told[-1][0] == "answer"


def test_changes_are_followed_live_and_those_of_other_groups_are_not(served: tuple[Desk, str]) -> None:
    """By whoever may know of the camera, in the order they came."""
    made, url = served
    seen: dict[str, list[LiveEvent]] = {"gus": [], "yuri": []}

    def follow(who: str) -> None:
        with Sightline(url, made.tokens[who]) as client:
            for each in client.events():
                seen[who].append(each)
                if len(seen[who]) == 2:
                    return

    threads = [threading.Thread(target=follow, args=(who,)) for who in seen]
    for thread in threads:
        thread.start()
    with Sightline(url, made.tokens["ada"]) as client:
        number = 0
        while any(thread.is_alive() for thread in threads) and number < 100:
            number += 1  # until both have begun to follow and heard two
            for incident in (BAG, GATE):
                made.clock.advance(1.0)
                client.acknowledge(incident.id, f"seen {number}")
            for thread in threads:
                thread.join(0.3)
    assert [{e.change.incident.camera_id for e in seen[who] if e.change} for who in seen] == [{"gate"}, {"yard"}]
    assert [len({e.id for e in seen[who]}) for who in seen] == [2, 2]


def test_a_server_that_is_away_may_be_there_later() -> None:
    """`TransientError`, with its address."""
    with Sightline("http://127.0.0.1:9", "sl_x") as client, pytest.raises(TransientError, match=r"127\.0\.0\.1:9"):
        client.cameras()


def test_a_wrong_token_is_said(served: tuple[Desk, str]) -> None:
    """401."""
    with Sightline(served[1], "sl_x_y") as client, pytest.raises(ApiError) as caught:
        client.cameras()
    assert caught.value.status == 401
