"""Waiting for something to come true. The only place in these tests that sleeps."""

import time


def until(condition, seconds=20, what=""):
    """Gives the first true value of condition(), asked again and again; fails when it stays false for seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what or condition}")
        time.sleep(0.005)
