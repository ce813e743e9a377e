"""The bare address leads to the incidents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from pipeline.console.guard import Caller, guarded
from pipeline.console.roles import Action

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(caller: Annotated[Caller, guarded(Action.PUBLIC)]) -> RedirectResponse:  # noqa: ARG001 - whoever comes
    """To the review page, which asks who comes."""
    return RedirectResponse("/review", 303)
