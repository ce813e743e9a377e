"""Odd candidates, odd rules and odd servers, through the whole reasoner and over HTTP: each has a defined end."""

from __future__ import annotations

import socketserver
import threading
import time
from pathlib import Path

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Assessment, Verdict, VerificationRequest
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.rule import Rule
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.settings import ReasoningSettings
from tests.support.certificates import Authority
from tests.support.reasoning import frame, jpeg, request, serving, textured, well_behaved

SETTINGS = ReasoningSettings(attempts=3, max_frames=8)
BLACK = frame(0, picture=jpeg(value=0))
SIZES = (frame(0, width=1920, height=1080), frame(1, width=30, height=900), frame(2, width=1, height=1))


def _assess(url: str, wanted: VerificationRequest, settings: ReasoningSettings = SETTINGS) -> Assessment:
    reasoner = VlmReasoner(OpenAiVlm(url, "tiny", None, settings), settings, ManualClock())
    try:
        assessment = reasoner.assess(wanted)
    finally:
        reasoner.close()
    assert Assessment.model_validate_json(assessment.model_dump_json()) == assessment
    return assessment


@pytest.mark.parametrize(
    ("frames", "num_sent"),
    [
        pytest.param((), 0, id="none"),
        pytest.param(tuple(frame(number) for number in range(200)), 8, id="200"),
        pytest.param((BLACK,), 1, id="one black"),
        pytest.param((BLACK,) * 9, 8, id="the same black one nine times"),
        pytest.param(SIZES, 3, id="of different sizes"),
        pytest.param((frame(0, picture=b"no JPEG"), frame(1, picture=textured()[:200])), 0, id="none readable"),
    ],
)
def test_any_frames_give_a_verdict(frames: tuple[EncodedFrame, ...], num_sent: int) -> None:
    """As many as there are up to the limit are judged; without any nothing is asked, and it is unverified."""
    with serving(well_behaved("no")) as server:
        assessment = _assess(server.url, request(frames))
    assert len(assessment.frames_sent) == num_sent
    assert assessment.verdict is (Verdict.REJECTED if num_sent else Verdict.UNVERIFIED)
    assert bool(server.bodies) is bool(num_sent)


def test_a_black_frame_bears_nothing_out() -> None:
    """What a model claims to see in it, in a box, is removed; so is the person the rule is about, and the verdict."""
    with serving(well_behaved("yes")) as server:
        assessment = _assess(server.url, request((BLACK, BLACK)))
    assert assessment.verdict is Verdict.UNVERIFIED
    assert "nothing bears out" in assessment.reason


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("run " * 5000, id="5,000 words"),
        pytest.param("有人翻越围栏，" * 700, id="Chinese"),
        pytest.param('{braces} {0} {{x}} }{ %s ${NAME} "quotes" \'\'\' """ `` \\', id="braces and quotes"),
    ],
)
def test_any_rule_is_judged(rule: str) -> None:
    """The server gets it as text among others, cut where it is too long, and its answer counts."""
    with serving(well_behaved("yes")) as server:
        assessment = _assess(server.url, request(rule=Rule(id="odd", when=rule)))
    assert assessment.verdict is Verdict.CONFIRMED
    words = [part["text"] for part in server.bodies[0]["messages"][1]["content"] if part["type"] == "text"]
    assert rule[:10] in words[0]
    assert sum(map(len, words)) < 10_000


@pytest.mark.parametrize(
    ("host", "is_trusted", "verdict"),
    [("127.0.0.1", True, "confirmed"), ("127.0.0.1", False, "unverified"), ("localhost", True, "unverified")],
    ids=["vouched for", "of an unknown authority", "of another host"],
)
def test_a_wrong_certificate_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_trusted: bool, verdict: str
) -> None:
    """Nothing is sent, nothing is tried again, and the reason says what is wrong; SSL_CERT_FILE is the way out."""
    authority = Authority(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with serving(well_behaved("yes")) as server:
        server.server.socket = authority.server_context().wrap_socket(server.server.socket, server_side=True)
        assessment = _assess(f"https://{host}:{server.server.server_port}/v1", request())
    assert assessment.verdict == verdict
    if assessment.verdict is Verdict.UNVERIFIED:
        assert "certificate of the model server" in assessment.reason
        assert (assessment.attempts, server.bodies) == (1, [])


class _Endless(socketserver.BaseRequestHandler):
    """A stream of tokens that has no end, quick enough that no read times out."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
        try:
            while True:
                time.sleep(0.02)
                self.request.sendall(b" ")
        except ConnectionError:
            return


def test_a_model_that_never_stops_is_left() -> None:
    """Though something comes all the time, each try ends with the timeout, and it is unverified."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Endless) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        soon = SETTINGS.model_copy(update={"timeout": 0.5})
        assessment = _assess(f"http://127.0.0.1:{server.server_address[1]}/v1", request(), soon)
        server.shutdown()
        thread.join()
    assert (assessment.verdict, assessment.attempts) == (Verdict.UNVERIFIED, 3)
    assert "did not answer within 0.5 s" in assessment.reason
