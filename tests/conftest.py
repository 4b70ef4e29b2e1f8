"""What holds for every test; the rules themselves are in tests/support/."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "tests.support.left_out", "tests.support.leaks", "tests.support.dockerd"]

# No deadline per example: it would measure the machine's other work. pytest-timeout bounds the test as a whole.
settings.register_profile("quick", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("quick"), max_examples=100, print_blob=True)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=5_000)
settings.load_profile(os.environ.get("CLIPPER_HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_finish() -> None:
    """Take what collection made out of the collector's way: a million objects that no test looks at.

    Tests that look for leaks collect and count again and again; each time this was most of what they went through.
    """
    gc.collect()
    gc.freeze()
