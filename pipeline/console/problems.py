"""Every error as problem+json (RFC 9457), in the words that the commands use.

ConfigError       422   what was asked cannot be, and why
SiteFileError     422   … with every problem of the text, by line
InvalidMessage    404   what was named is not there
Conflict          409   somebody else was first
Overloaded        503   } with Retry-After
TransientError    503   }
Refused           401, 403, 404, 429, as it says
anything else     500   logged; its words stay here
"""

from __future__ import annotations

import math
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from pipeline.console.access import Refused
from pipeline.errors import (
    ConfigError,
    Conflict,
    InvalidMessage,
    Overloaded,
    SightlineError,
    SiteFileError,
    TransientError,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 5
_MAX_WORDS = 1_000
"""Of one problem's detail: what came may be long."""
_MAX_TOLD = 20
_MAX_CAME = 60
_STATUS_OF: tuple[tuple[type[SightlineError], int], ...] = (
    (Conflict, 409),
    (InvalidMessage, 404),
    (ConfigError, 422),
    (Overloaded, 503),
    (TransientError, 503),
    (SightlineError, 500),
)
"""The first that fits."""


Shown = Callable[[Request, Response], Response]
"""What becomes of a problem for who asked: pages for browsers."""


class Wrong(BaseModel):
    """One thing wrong with what was sent."""

    model_config = ConfigDict(extra="forbid")

    where: str
    """`query.limit`, `body.note`, `rules[2].zone`."""
    message: str
    line: int = 0
    """Of a site file, from 1; 0 when it has no single place."""
    hint: str = ""


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    """What was expected, what came, what to do: for a person."""
    errors: list[Wrong] | None = None


class ProblemFound(Exception):  # noqa: N818 - it is an answer of its own, not a failure
    """An answer that is a problem and not one of the program's errors."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def answer(
    status: int, detail: str, errors: Sequence[Wrong] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem as a response; a code that nobody has defined is titled by its number."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = f"Status {status}"
    problem = Problem(title=title, status=status, detail=detail[:_MAX_WORDS], errors=list(errors) if errors else None)
    return JSONResponse(problem.model_dump(exclude_none=True), status, dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI, shown: Shown) -> None:
    """Let every error of the app be told so, and shown as `shown` makes of it."""

    def handler(problem: Callable[[Any], Response]) -> Callable[[Request, Exception], Response]:
        return lambda request, error: shown(request, problem(error))

    app.add_exception_handler(ProblemFound, handler(_told))
    app.add_exception_handler(SightlineError, handler(of_error))
    app.add_exception_handler(RequestValidationError, handler(_wrong_request))
    app.add_exception_handler(HTTPException, handler(_of_http))


def of_error(error: SightlineError) -> JSONResponse:
    """One of the program's own errors."""
    if isinstance(error, Refused):
        return answer(error.status, error.words, headers=_headers_of(error))
    status = next(status for kind, status in _STATUS_OF if isinstance(error, kind))
    if isinstance(error, SiteFileError):
        told = [Wrong(where=p.where, message=p.message, line=p.line, hint=p.hint) for p in error.problems[:_MAX_TOLD]]
        return answer(status, f"{error.path} is refused: {len(error.problems)} problems", told)
    if status >= 500:
        log.warning("a request cannot be answered now", error=str(error))
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if status == 503 else None
    return answer(status, str(error), headers=headers)


def _headers_of(error: Refused) -> dict[str, str]:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    return headers


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its OpenAPI."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}


def _told(found: ProblemFound) -> JSONResponse:
    return answer(found.status, found.detail, headers=found.headers)


def _wrong_request(error: RequestValidationError) -> JSONResponse:
    items = error.errors()[:_MAX_TOLD]
    told = [Wrong(where=".".join(map(str, item["loc"])), message=_in_words(item)) for item in items]
    return answer(422, "; ".join(f"{one.where}: {one.message}" for one in told), told)


def _in_words(item: Mapping[str, Any]) -> str:
    """What was expected and the beginning of what came."""
    came = item.get("input")
    shown = "" if came is None or isinstance(came, dict | list) else f" (got {str(came)[:_MAX_CAME]!r})"
    return str(item["msg"]).removeprefix("Value error, ") + shown


def _of_http(error: HTTPException) -> JSONResponse:
    return answer(error.status_code, str(error.detail), headers=error.headers)


def unexpected(path: str, error: Exception) -> JSONResponse:
    """A mistake of this program: the log has it under the number that the answer names."""
    number = uuid.uuid4().hex[:12]
    # As text: a renderer that shows local variables would write credentials into the log.
    trace = "".join(traceback.format_exception(error))
    log.error("a request failed", number=number, path=path, trace=trace)
    return answer(500, f"something is wrong in Sightline itself; its log has it under {number}")
