"""The console's pages: HTML over the same functions that the API's routes are made of."""

from fastapi import APIRouter

from pipeline.console.pages import (
    account,
    ask,
    home,
    live,
    people,
    review,
    rules,
    search,
    signin,
    statics,
    system,
    timeline,
)

PAGES: tuple[APIRouter, ...] = (
    statics.router,
    home.router,
    live.router,
    review.router,
    rules.router,
    system.router,
    timeline.router,
    search.router,
    ask.router,
    signin.router,
    account.router,
    people.router,
)
