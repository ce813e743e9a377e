"""One's own account: password, browsers that are signed in, API tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pipeline.console.guard import Caller, guarded
from pipeline.console.pages.shell import page
from pipeline.console.passwords import LEAST_CHARACTERS
from pipeline.console.roles import Action, Scope
from pipeline.console.routes import account as api
from pipeline.console.tokens import MOST_DAYS

router = APIRouter(include_in_schema=False)


@router.get("/account")
def account(request: Request, caller: Annotated[Caller, guarded(Action.OWN_ACCOUNT)]) -> HTMLResponse:
    """The page."""
    return page(
        request,
        caller,
        "account.html",
        account=api.account(request, caller),
        scopes=tuple(Scope),
        most_days=MOST_DAYS,
        least_characters=LEAST_CHARACTERS,
    )
