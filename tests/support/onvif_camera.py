"""A small ONVIF camera on loopback: SOAP with WS-Security digests over HTTP, and WS-Discovery over UDP."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "guard", "hunter2"
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error">'
    "<s:Body>{}</s:Body></s:Envelope>"
)
_REFUSED = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code>"
    '<s:Reason><s:Text xml:lang="en">Sender not authorized</s:Text></s:Reason></s:Fault>'
)
_CLOCK_SLACK = timedelta(seconds=30)


@dataclass(frozen=True)
class OnvifCamera:
    """How it behaves."""

    clock_ahead: timedelta = timedelta(0)


@contextmanager
def onvif_camera(camera: OnvifCamera | None = None) -> Iterator[int]:
    """The port of a camera with a main and a sub stream."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(camera or OnvifCamera()))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def discovery_responder(answer: str) -> Iterator[int]:
    """The port of a device that answers every probe with this ProbeMatches body, or anything else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.05)
        stopped = threading.Event()
        thread = threading.Thread(target=_answer_probes, args=(listening, answer.encode(), stopped))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stopped.set()
            thread.join()


def probe_match(service_url: str, *scopes: str) -> str:
    """What a camera answers."""
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Body><d:ProbeMatches><d:ProbeMatch>'
        f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{' '.join(scopes)}</d:Scopes>"
        f"<d:XAddrs>{service_url}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    )


def _answer_probes(listening: socket.socket, answer: bytes, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            question, asker = listening.recvfrom(65_535)
        except TimeoutError:
            continue
        if b"Probe" in question:
            listening.sendto(answer, asker)


def _handler(camera: OnvifCamera) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"])).decode()
            operation = re.search(r"<(?:[\w-]+:)?Body[^>]*><(?:[\w-]+:)?(\w+)", request)
            name = operation.group(1) if operation else ""
            is_open = name == "GetSystemDateAndTime"
            if is_open or _is_signed(request, datetime.now(UTC) + camera.clock_ahead):
                self._reply(200, _body(name, request, self.server.server_address[1], camera))
            else:
                self._reply(400, _REFUSED)

        def _reply(self, status: int, body: str) -> None:
            data = _ENVELOPE.format(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _is_signed(request: str, now: datetime) -> bool:
    """Whether the UsernameToken's digest is of our password, and made about now by the camera's clock."""
    token = {tag: re.search(rf"<[\w-]+:{tag}[^>]*>([^<]*)<", request) for tag in ("Password", "Nonce", "Created")}
    if not all(token.values()):
        return False
    digest, nonce, created = (match.group(1) for match in token.values() if match)
    expected = hashlib.sha1(base64.b64decode(nonce) + created.encode() + PASSWORD.encode()).digest()
    made_at = datetime.fromisoformat(created)
    return f">{USER}<" in request and base64.b64decode(digest) == expected and abs(now - made_at) < _CLOCK_SLACK


def _body(name: str, request: str, port: int, camera: OnvifCamera) -> str:
    now = datetime.now(UTC) + camera.clock_ahead
    device, media = (f"http://127.0.0.1:{port}/onvif/{service}_service" for service in ("device", "media"))
    token = "main" if ">main<" in request else "sub"
    return {
        "GetSystemDateAndTime": "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
        "<tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
        f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
        f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
        "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
        "GetServices": "<tds:GetServicesResponse>"
        + "".join(
            f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{kind}/wsdl</tds:Namespace>"
            f"<tds:XAddr>{url}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
            for kind, url in (("device", device), ("media", media))
        )
        + "</tds:GetServicesResponse>",
        "GetDeviceInformation": "<tds:GetDeviceInformationResponse><tds:Manufacturer>Acme</tds:Manufacturer>"
        "<tds:Model>Dome 4</tds:Model><tds:FirmwareVersion>1</tds:FirmwareVersion><tds:SerialNumber>7"
        "</tds:SerialNumber><tds:HardwareId>x</tds:HardwareId></tds:GetDeviceInformationResponse>",
        "GetProfiles": f"<trt:GetProfilesResponse>{_profile('sub', 640, 360, 10)}{_profile('main', 1920, 1080, 25)}"
        "</trt:GetProfilesResponse>",
        "GetStreamUri": f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://{USER}:{PASSWORD}@127.0.0.1/{token}"
        "</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false"
        "</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>",
    }[name]


def _profile(token: str, width: int, height: int, fps: int) -> str:
    return (
        f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
        f'<tt:VideoEncoderConfiguration token="v{token}"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
        f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
        f"</tt:Resolution><tt:Quality>5</tt:Quality><tt:RateControl><tt:FrameRateLimit>{fps}</tt:FrameRateLimit>"
        "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>"
        "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>"
    )
