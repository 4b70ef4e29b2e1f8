"""What the processes of an instance inherit of the one that starts it."""

from __future__ import annotations

import pytest

from clipper.supervisor.launch import child_environment


def test_options_are_not_handed_on_and_everything_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"CLIPPER_STATE__URL": "redis://:hunter2@h", "CLIPPER_LISTEN__QUERY_PORT": "1"}
    others = {"CLIPPER_RPC_ADDRESS": "x", "CLIPPER_MODEL_NAME": "y", "OTHER__NAME": "z", "NOT_CLIPPER_STATE__URL": "w"}
    for name, value in (options | others).items():
        monkeypatch.setenv(name, value)
    environment = child_environment()
    assert not options.keys() & environment.keys()
    assert environment.items() >= others.items()
    assert "hunter2" not in repr(environment)
