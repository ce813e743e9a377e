"""How often a wrong sign-in may be tried."""

from __future__ import annotations

from pipeline.clock import ManualClock
from pipeline.console.limits import MOST_BY_ACCOUNT, MOST_BY_ADDRESS, WINDOW_SECONDS, LoginLimits


def test_an_account_waits_after_too_many_wrong_ones() -> None:
    """From whatever addresses they came, until the first of them is out of the window."""
    clock = ManualClock()
    limits = LoginLimits(clock)
    for number in range(MOST_BY_ACCOUNT):
        assert limits.wait_seconds("anna", "10.0.0.99") == 0
        limits.failed("anna", f"10.0.0.{number}")
        clock.advance(1)
    assert limits.wait_seconds("anna", "10.0.0.99") == WINDOW_SECONDS - MOST_BY_ACCOUNT
    assert limits.wait_seconds("ben", "10.0.0.99") == 0
    clock.advance(WINDOW_SECONDS - MOST_BY_ACCOUNT)
    assert limits.wait_seconds("anna", "10.0.0.99") == 0


def test_an_address_waits_whatever_names_it_tries() -> None:
    """One password for all accounts is stopped too; other addresses go on."""
    limits = LoginLimits(ManualClock())
    for number in range(MOST_BY_ADDRESS):
        limits.failed(f"user{number}", "10.0.0.1")
    assert limits.wait_seconds("anna", "10.0.0.1") == WINDOW_SECONDS
    assert limits.wait_seconds("anna", "10.0.0.2") == 0


def test_a_network_of_ipv6_addresses_is_one() -> None:
    """Whoever has one address of it has them all."""
    limits = LoginLimits(ManualClock())
    for number in range(MOST_BY_ADDRESS):
        limits.failed(f"user{number}", f"2001:db8:1:2::{number:x}")
    assert limits.wait_seconds("anna", "2001:db8:1:2:ffff::1") == WINDOW_SECONDS
    assert limits.wait_seconds("anna", "2001:db8:1:3::1") == 0


def test_a_right_one_frees_the_account_but_not_the_address() -> None:
    """Who has an account cannot use it to go on guessing at others."""
    limits = LoginLimits(ManualClock())
    for _ in range(MOST_BY_ADDRESS):
        limits.failed("anna", "10.0.0.1")
    limits.succeeded("anna")
    assert limits.wait_seconds("anna", "10.0.0.2") == 0
    assert limits.wait_seconds("anna", "10.0.0.1") == WINDOW_SECONDS


def test_overlong_names_count_as_their_beginning() -> None:
    """Ten thousand characters take no more memory than a hundred."""
    limits = LoginLimits(ManualClock())
    for number in range(MOST_BY_ACCOUNT):
        limits.failed("x" * 10_000 + str(number), f"10.0.0.{number}")
    assert limits.wait_seconds("x" * 10_000, "10.0.0.99") == WINDOW_SECONDS
