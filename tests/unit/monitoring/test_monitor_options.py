"""The document ``learning.monitor``: what it takes, refuses and means."""

from __future__ import annotations

import sys
from dataclasses import fields

import pytest

from clipper.errors import InvalidArgumentError
from clipper.monitoring import adwin
from clipper.monitoring.options import MonitorOptions, check_monitor, options_of

BOUNDED = [option for option in fields(MonitorOptions) if "least" in option.metadata]
CHOICES = [option for option in fields(MonitorOptions) if "choices" in option.metadata]


@pytest.mark.parametrize("document", [None, True, {}])
def test_monitor_not_described_is_monitored_with_the_defaults(document: object) -> None:
    assert options_of(check_monitor(document)) == MonitorOptions()


def test_monitor_false_is_not_monitored() -> None:
    assert options_of(check_monitor(False)) is None


def test_monitor_document_is_kept_as_it_was_given() -> None:
    # Not with the defaults of today: who leaves an option out wants the default of tomorrow as well.
    assert check_monitor({"on_degraded": "rollback"}) == {"on_degraded": "rollback"}
    assert options_of({"on_degraded": "rollback"}) == MonitorOptions(on_degraded="rollback")


@pytest.mark.parametrize("option", BOUNDED, ids=lambda option: option.name)
def test_number_at_its_bounds_is_taken_and_beyond_them_refused(option: object) -> None:
    name, least, most = option.name, option.metadata["least"], option.metadata["most"]  # type: ignore[attr-defined]
    for value in (least, most):
        assert check_monitor({name: value}) == {name: value}
    for value in (least - 1, most + 1, str(least), True, None, float("nan"), float("inf"), [least]):
        with pytest.raises(InvalidArgumentError, match=f"monitor.{name}"):
            check_monitor({name: value})


@pytest.mark.parametrize("option", [option for option in BOUNDED if type(option.default) is int], ids=lambda o: o.name)
def test_whole_number_given_as_a_fraction_is_refused(option: object) -> None:
    name, least = option.name, option.metadata["least"]  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match="an integer from"):
        check_monitor({name: least + 0.5})


@pytest.mark.parametrize("option", CHOICES, ids=lambda option: option.name)
def test_choice_that_there_is_not_is_refused_with_those_there_are(option: object) -> None:
    for value in ("", "Tell", 1, None, ["tell"]):
        with pytest.raises(InvalidArgumentError, match=option.metadata["choices"][0]):  # type: ignore[attr-defined]
            check_monitor({option.name: value})  # type: ignore[attr-defined]


def test_misspelt_option_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InvalidArgumentError, match="did you mean 'on_degraded'"):
        check_monitor({"on_degrade": "tell"})


@pytest.mark.parametrize("document", [[], "rollback", 3])
def test_document_that_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(InvalidArgumentError, match="expected an object"):
        check_monitor(document)


def test_adwin_without_its_library_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    with pytest.raises(InvalidArgumentError, match=r"clipper\[monitoring\]"):
        adwin.require_river()
    # A caller may be on a machine that has none: only management refuses it.
    assert check_monitor({"detector": "adwin"}) == {"detector": "adwin"}
