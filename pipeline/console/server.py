"""The API as one application, and the thread that serves it.

Routes are plain functions on worker threads; errors become problems (`problems`), and whatever leaves bears the
headers that keep a browser from doing more with it than show it.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.alerting.addresses import is_loopback
from pipeline.console import guard, login, problems
from pipeline.console.access import AccessBook
from pipeline.console.checking import Checking
from pipeline.console.conversations import Conversations
from pipeline.console.events import ChangeFeed
from pipeline.console.host import Host
from pipeline.console.models import API
from pipeline.console.oidc import provider_of
from pipeline.console.pages import PAGES
from pipeline.console.pages.shell import problem_page
from pipeline.console.problems import Problem
from pipeline.console.roles import Action
from pipeline.console.routes import (
    account,
    accounting,
    cameras,
    evidence,
    incidents,
    live,
    moments,
    people,
    rules,
    searching,
    system,
    verifying,
)
from pipeline.errors import ConfigError

MAX_BODY_BYTES = 1_000_000
"""A site file of a hundred cameras takes some 100 KB."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Unless a route says otherwise: pages loosen the policy for their own scripts and styles."""
_TOO_LARGE = f"expected a body of {MAX_BODY_BYTES:,} bytes at most"
_NOT_PACKED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "text/html", "application/json", "multipart/form-data")
"""Beside what is packed already, as are pictures in a form: what holds a session's token next to what somebody typed
tells of it by its length."""
_PARTS = (
    login,
    cameras,
    incidents,
    evidence,
    accounting,
    live,
    moments,
    rules,
    searching,
    system,
    verifying,
    account,
    people,
)
_ALWAYS = (400, 401, 403, 413, 422)
_STOP_SECONDS = 5


def make_app(host: Host, book: AccessBook) -> FastAPI:
    """The application; serve it with `ConsoleServer`, or any ASGI server."""
    app = FastAPI(
        title="Sightline",
        version=host.version,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.host = host
    app.state.feed = ChangeFeed(host.archive().incidents, host.archive().clock)
    app.state.conversations = Conversations()
    app.state.provider = provider_of(book.settings, book.clock)
    app.state.checking = Checking()
    guard.install(app, book)
    problems.install(app, problem_page)
    api = APIRouter(prefix=API)
    for part in _PARTS:
        api.include_router(part.router)
    app.include_router(api)
    for shown in PAGES:
        app.include_router(shown)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES)
    app.add_middleware(GZipMiddleware, exclude_content_types=_NOT_PACKED)
    app.add_middleware(Borders)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


class Borders:
    """What every answer bears, also when the program is at fault."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on; an error that nobody has expected becomes a problem, unless the answer has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = is_replaced = False

        async def sending(message: Message) -> None:
            nonlocal has_begun, is_replaced
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                if message["status"] == 413 and headers.get("content-type") != problems.MEDIA_TYPE:
                    is_replaced = True  # the middleware that counts bytes knows only plain text
                    await problems.answer(413, _TOO_LARGE)(scope, receive, bearing)
            if not is_replaced:
                await bearing(message)

        async def bearing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if has_begun:
                raise
            await problems.unexpected(scope["path"], error)(scope, receive, bearing)


class ConsoleServer:
    """Serves an application from a thread of its own."""

    def __init__(self, app: FastAPI, address: str, port: int, *, allow_remote: bool = False) -> None:
        """Takes the port at once; `ConfigError` when it cannot be had, or is no loopback's and that is not allowed."""
        if not allow_remote and not is_loopback(address):
            raise ConfigError(
                f"{address} is not loopback: whoever reaches it could try to sign in; allow it in so many words, "
                "behind something that speaks HTTPS (--allow-remote)"
            )
        self._socket = _listen(address, port)
        self.url = _url_of(self._socket)
        """Where it answers."""
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_STOP_SECONDS
        )
        self._server = _Server(config, getattr(app.state, "feed", None))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="console", daemon=True
        )

    @property
    def is_serving(self) -> bool:
        """Whether it was started and is at work."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered, a few seconds at most, and close the port; may be called twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS + 2.0)
        self._socket.close()


def _url_of(listening: socket.socket) -> str:
    address, port = listening.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


class _Server(uvicorn.Server):
    """Lets those go who follow live changes when it stops: they would be waited for until the time is up."""

    def __init__(self, config: uvicorn.Config, feed: ChangeFeed | None) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, on its event loop."""
        if self._feed is not None:
            self._feed.end()
        await super().shutdown(sockets)


def _listen(address: str, port: int) -> socket.socket:
    try:
        (family, *_, place), *_ = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(place)
            listening.listen()  # from now on whoever comes waits, and is not refused
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise ConfigError(f"cannot listen on {address} port {port}: {error.strerror or error}") from error
    return listening


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI of what is there, with problems as they are told."""
    if app.openapi_schema is None:
        told = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = told["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs") | {"Problem": problem}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        actions = guard.actions_of(app)
        for path, methods in told["paths"].items():
            for method, operation in methods.items():
                _describe(operation, actions[f"{method.upper()} {path}"])
        app.openapi_schema = told
    return app.openapi_schema


def _describe(operation: dict[str, Any], action: Action | None) -> None:
    answers = operation["responses"] | {str(status): told for status, told in problems.responses(*_ALWAYS).items()}
    operation["responses"] = dict(sorted(answers.items()))
    operation["description"] = f"{operation.get('description', '')}\n\nTakes: {action}.".strip()
    if action is not Action.PUBLIC:
        operation["security"] = [{"token": []}]
