"""The site file's desk over a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.app.site_desk import FileDesk, open_desk
from pipeline.clock import ManualClock
from pipeline.errors import ConfigError, Conflict, InvalidMessage, SiteFileError, TransientError
from pipeline.settings import Settings

SITE = """\
# Kept to the letter.
cameras:
  - {id: yard, url: "rtsp://u:${CAMERA_PASSWORD}@10.0.0.7/main", zones: {fence: [[0, 0], [1, 0], [1, 1]]}}   # north
rules:
  - {id: entry, track: {enters: fence}}
"""
NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "not-to-be-shown")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "site" / "site.yaml"
    path.parent.mkdir()
    path.write_bytes(SITE.encode())
    path.chmod(0o640)
    return path


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def desk(path: Path, tmp_path: Path, clock: ManualClock) -> FileDesk:
    return open_desk(path, Settings(data_dir=tmp_path / "data"), clock)


def test_secrets_stay_names(desk: FileDesk) -> None:
    """The text is the file's own, and its problems never show what a name stands for."""
    assert desk.read().text == SITE
    assert desk.problems(SITE) == ()
    wrong = desk.problems(SITE.replace("rtsp://u:${CAMERA_PASSWORD}", "${CAMERA_PASSWORD}").replace("enters", "enter"))
    assert wrong
    assert "not-to-be-shown" not in str(wrong)


def test_words_that_no_encoder_can_score_are_remarked_on(desk: FileDesk) -> None:
    """With their line and what to write instead; a text without such words has no remarks."""
    text = SITE.replace("rules:", "models: {encoder: builtin}\nrules:\n  - id: strange\n    when: something suspicious")
    (remark,) = desk.remarks(text)
    assert (remark.line, remark.where) == (7, "strange")
    assert "unusual: true" in remark.hint
    assert not desk.problems(text)
    assert not desk.remarks(SITE)


def test_remarks_show_no_secret(desk: FileDesk) -> None:
    """Should the words that are remarked on come from one."""
    rule = "  - id: strange\n    when: somebody crosses the ${CAMERA_PASSWORD} line"
    remarks = desk.remarks(SITE.replace("rules:", f"models: {{encoder: builtin}}\nrules:\n{rule}"))
    assert "${CAMERA_PASSWORD}" in str(remarks)
    assert "not-to-be-shown" not in str(remarks)


def test_a_saved_text_is_the_file_and_its_rights_stay(desk: FileDesk, path: Path) -> None:
    """To the letter, Windows' line ends among them; nothing else is left in the folder."""
    text = SITE.replace("\n", "\r\n")
    saved = desk.save(text, desk.read().version, "ada")
    assert path.read_bytes() == text.encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]
    assert desk.read() == saved


def test_who_comes_second_changes_nothing(desk: FileDesk, path: Path) -> None:
    """Whoever was first, another desk or an editor."""
    version = desk.read().version
    path.write_text(SITE + "# by hand\n")
    with pytest.raises(Conflict, match="has changed since"):
        desk.save(SITE + "# by ada\n", version, "ada")
    assert path.read_text() == SITE + "# by hand\n"


def test_a_wrong_text_is_not_written(desk: FileDesk, path: Path) -> None:
    """Every problem is listed."""
    with pytest.raises(SiteFileError, match="did you mean fence"):
        desk.save(SITE.replace("enters: fence", "enters: fense"), desk.read().version, "ada")
    assert path.read_text() == SITE
    assert [one.by for one in desk.versions()] == [""]


def test_every_version_is_kept_and_can_be_had_again(desk: FileDesk, clock: ManualClock) -> None:
    """Also what other hands have written; the same text again is a version of its own."""
    first = desk.read()
    second = desk.save(SITE + "# two\n", first.version, "ada")
    clock.advance(60)
    assert desk.save(desk.version(first.version).text, second.version, "olu") == first
    kept = desk.versions()
    assert [(one.version, one.by) for one in kept] == [
        (first.version, "olu"),
        (second.version, "ada"),
        (first.version, ""),
    ]
    assert [one.at for one in kept[:2]] == [NOW + timedelta(seconds=60), NOW]
    assert desk.version(second.version) == second
    with pytest.raises(InvalidMessage, match="not kept"):
        desk.version("../../etc/passwd")


def test_what_other_hands_wrote_is_kept_when_it_is_replaced(desk: FileDesk, path: Path) -> None:
    """It is shown at once, by nobody."""
    desk.save(SITE + "# two\n", desk.read().version, "ada")
    path.write_text(SITE + "# by hand\n")
    assert [one.by for one in desk.versions()] == ["", "ada", ""]
    by_hand = desk.read()
    desk.save(SITE, by_hand.version, "ada")
    assert desk.version(by_hand.version).text.endswith("# by hand\n")
    assert [one.by for one in desk.versions()] == ["ada", "", "ada", ""]


def test_the_same_text_is_no_new_version(desk: FileDesk) -> None:
    """Saving twice leaves no trace."""
    desk.save(SITE, desk.read().version, "ada")
    assert len(desk.versions()) == 1


def test_the_oldest_versions_go(desk: FileDesk) -> None:
    """Two hundred are kept."""
    for number in range(205):
        desk.save(f"{SITE}# {number}\n", desk.read().version, "ada")
    kept = desk.versions()
    assert len(kept) == 200
    assert desk.version(kept[-1].version).text.endswith("# 5\n")


def test_versions_are_for_their_owner_alone(desk: FileDesk, tmp_path: Path) -> None:
    """A site file may hold what should have been a secret."""
    desk.save(SITE + "# two\n", desk.read().version, "ada")
    folder = tmp_path / "data" / "site-versions"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_damaged_version_hides_no_other(desk: FileDesk, tmp_path: Path) -> None:
    """It is left out."""
    desk.save(SITE + "# two\n", desk.read().version, "ada")
    sorted((tmp_path / "data" / "site-versions").iterdir())[0].write_text("{")
    assert [one.by for one in desk.versions()] == ["ada"]


def test_a_rule_is_switched_off_in_the_file(desk: FileDesk, path: Path) -> None:
    """Nothing else changes; a rule that is not there is said."""
    desk.switch("entry", "ada", is_on=False)
    assert path.read_text() == SITE.replace("enters: fence}}", "enters: fence}, enabled: false}")
    with pytest.raises(ConfigError, match="no rule 'none'"):
        desk.switch("none", "ada", is_on=True)


def test_a_link_stays_one(desk: FileDesk, path: Path) -> None:
    """What it points at is written."""
    real = path.with_name("real.yaml")
    path.rename(real)
    path.symlink_to("real.yaml")
    desk.save(SITE + "# two\n", desk.read().version, "ada")
    assert path.is_symlink()
    assert real.read_text() == SITE + "# two\n"


@pytest.mark.parametrize("place", ["/proc/self/comm", "/proc/version"], ids=["known before", "found out"])
def test_a_file_that_cannot_be_written_is_read_and_checked(tmp_path: Path, place: str) -> None:
    """As in a cluster: saving says what to do, and leaves no version of what never was."""
    desk = open_desk(Path(place), Settings(data_dir=tmp_path / "data"))  # where nobody can make a file
    read = desk.read()
    assert desk.problems(SITE) == ()
    with pytest.raises(ConfigError, match=r"cannot be written here .*the chart's values"):
        desk.save(SITE, read.version, "ada")
    assert [one.by for one in desk.versions()] == [""]


def test_without_a_place_for_versions_nothing_is_written(path: Path, tmp_path: Path) -> None:
    """There would be no way back."""
    (tmp_path / "data").write_text("a file where the folder should be")
    desk = open_desk(path, Settings(data_dir=tmp_path / "data"))
    with pytest.raises(ConfigError, match="versions of the site file cannot be kept"):
        desk.save(SITE + "# two\n", desk.read().version, "ada")
    assert path.read_text() == SITE
    assert len(desk.versions()) == 1


def test_a_file_that_is_away_may_come_back(desk: FileDesk, path: Path) -> None:
    """An editor may be in the middle of replacing it."""
    path.unlink()
    with pytest.raises(TransientError, match="cannot read the site file"):
        desk.read()
