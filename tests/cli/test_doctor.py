"""`sightline doctor` and `sightline channels test`."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.demo_receiver import DemoReceiver
from pipeline.cli.program import app

SITE = """
cameras: [{{id: yard, url: "{url}"}}]
rules: []
channels: {{guards: {{webhook: "{webhook}", secret: "{secret}", allow_private: true}}}}
settings: {{data_dir: "{data}"}}
"""


def site(folder: Path, *, url: str, webhook: str, secret: str = "a secret of some length") -> str:
    """A site file's path."""
    path = folder / "site.yaml"
    path.write_text(SITE.format(url=url, webhook=webhook, secret=secret, data=folder / "data"))
    return str(path)


@pytest.fixture
def closed_port() -> str:
    """An address on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/hook"


def test_all_well(tmp_path: Path) -> None:
    """With a camera, a receiver and a folder that work, every finding is good, nothing was sent, status 0."""
    with DemoReceiver(lambda _message: None) as receiver:
        path = site(tmp_path, url="synthetic:yard", webhook=receiver.url)
        result = CliRunner().invoke(app, ["doctor", path])
    assert result.exit_code == 0, result.stdout
    assert result.stdout.splitlines()[-1] == "all well"
    assert receiver.received == {}


def test_says_what_is_wrong_and_what_to_do(tmp_path: Path, closed_port: str) -> None:
    """A camera and a channel that do not answer are named with advice; exit status 1."""
    path = site(tmp_path, url=str(tmp_path / "none.mp4"), webhook=closed_port)
    result = CliRunner().invoke(app, ["doctor", path, "--json"])
    answer = json.loads(result.stdout)
    wrong = {finding["what"]: finding for finding in answer["findings"] if not finding["is_ok"]}
    assert (result.exit_code, answer["ok"]) == (1, False)
    assert set(wrong) == {"camera yard", "channel guards"}
    assert all(finding["advice"] for finding in wrong.values())


def test_a_data_folder_that_cannot_be(tmp_path: Path, closed_port: str) -> None:
    """A file where the folder should be is found, not raised."""
    path = site(tmp_path, url="synthetic:yard", webhook=closed_port)
    (tmp_path / "data").write_text("a file")
    result = CliRunner().invoke(app, ["doctor", path, "--json"])
    findings = {finding["what"]: finding["is_ok"] for finding in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 1
    assert findings["database"] is False


def test_a_channel_is_tried_with_one_message(tmp_path: Path) -> None:
    """`channels test` sends one signed message and says how it was answered."""
    with DemoReceiver(lambda _message: None) as receiver:
        path = site(tmp_path, url="x", webhook=receiver.url, secret=receiver.secret)
        result = CliRunner().invoke(app, ["channels", "test", "guards", "--site", path])
    assert (result.exit_code, len(receiver.received)) == (0, 1)
    assert result.stdout.startswith("guards: answered 204")
    assert all(message.is_genuine for message in receiver.received.values())


@pytest.mark.parametrize(("name", "status"), [("guards", 1), ("guard", 2)])
def test_a_channel_that_fails(tmp_path: Path, closed_port: str, name: str, status: int) -> None:
    """No answer is status 1; an unknown name is wrong usage."""
    path = site(tmp_path, url="x", webhook=closed_port)
    assert CliRunner().invoke(app, ["channels", "test", name, "--site", path]).exit_code == status


def test_a_model_server_that_is_away_is_found(tmp_path: Path, closed_port: str) -> None:
    """A run goes on without it, `unverified`; the doctor says that it does not answer."""
    path = site(tmp_path, url="synthetic:yard", webhook=closed_port)
    server = closed_port.removesuffix("/hook")
    with Path(path).open("a") as file:
        file.write(f"models: {{vlm: 'openai:{server}/v1#judge'}}\n")
    findings = json.loads(CliRunner().invoke(app, ["doctor", path, "--json"]).stdout)["findings"]
    (model,) = [finding for finding in findings if finding["what"].startswith("vision-language model")]
    assert not model["is_ok"]
    assert "Connection refused" in model["found"]
