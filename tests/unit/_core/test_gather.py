"""Gather by example: ties, members that fail, and outputs that a mean cannot be taken of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from clipper._core.gather_probe import GatherProbe


def probe_of(rule: str, outputs: Sequence[str | None], misses: Mapping[int, str] | None = None) -> GatherProbe:
    """Members in link order: an output, or None while pending; then those that miss."""
    probe = GatherProbe(rule, len(outputs))  # type: ignore[arg-type]
    for index, output in enumerate(outputs):
        if output is not None:
            probe.answer(index, output.encode())
    for index, reason in (misses or {}).items():
        probe.miss(index, reason)
    return probe


@pytest.mark.parametrize(
    ("outputs", "is_decided"),
    [
        (["1", "1", None], True),
        (["1", None, "1"], True),
        (["1", None, None], False),
        (["1", "2", None], False),
        (["1", None], True),  # the other could only make a tie, which goes to the model linked first
        ([None, "1"], False),  # here the tie would go to the other
        (["1", "1", None, None], True),
        (["1", None, "1", None], True),  # two for another output: a tie, and the first giver of 1 comes first
        ([None, "1", "1", None], False),
        (["1", "1", "2", None], True),  # 2 would reach a tie, but 1 was given by a model linked earlier
        (["2", "1", "1", None], False),
        ([None, None, None], False),
    ],
)
def test_majority_with_members_pending_is_decided_only_if_it_must_win(
    outputs: list[str | None], is_decided: bool
) -> None:
    assert probe_of("majority", outputs).is_decided() == is_decided


def test_failed_member_casts_no_vote_and_has_none_to_come() -> None:
    waiting = probe_of("majority", ["1", None, None])
    assert not waiting.is_decided()
    waiting.miss(2, "model_error")
    assert waiting.is_decided()  # one is pending: it can but tie
    assert waiting.combine() == (b"1", 1 / 3, None)


def test_ensemble_of_which_all_members_failed_is_not_decided() -> None:
    probe = probe_of("majority", [None, None], {0: "model_error", 1: "deadline"})
    assert not probe.is_decided()
    assert probe.combine() == (None, 0.0, None)


def test_outputs_are_compared_as_bytes_of_json() -> None:
    output, confidence, _ = probe_of("majority", ["1", "1.0", "1.0"]).combine()
    assert (output, confidence) == (b"1.0", 2 / 3)


def test_empty_and_long_outputs_are_told_apart() -> None:
    long = '"' + "x" * 70_000
    outputs = ["", long + '1"', long + '2"', long + '2"']
    output, confidence, _ = probe_of("majority", outputs).combine()
    assert output == outputs[3].encode()
    assert confidence == 0.5


@pytest.mark.parametrize(
    ("output", "mean"),
    [
        ("4", b"3.0"),
        (" 4 ", b"3.0"),
        ("-4e0", b"-1.0"),
        ("[4]", None),
        ("", None),
        ("[", None),
        ("null", None),
        ("true", None),
        ('"4"', None),
        ("{}", None),
    ],
)
def test_mean_with_two_takes_a_number_and_nothing_else(output: str, mean: bytes | None) -> None:
    combined, _, failure = probe_of("mean", ["2", output]).combine()
    assert combined == mean
    assert (failure is None) == (mean is not None)


@pytest.mark.parametrize(
    ("output", "mean"),
    [
        ("[3,4]", b"[2.0,3.0]"),
        (" [ 3 , 4 ] ", b"[2.0,3.0]"),
        ("[3,4,5]", None),
        ("[3]", None),
        ("[]", None),
        ("[3,4", None),
        ("[3,", None),
        ("[3 4]", None),
        ("[[3],[4]]", None),
        ("[3,null]", None),
    ],
)
def test_mean_of_arrays_takes_flat_ones_of_equal_length(output: str, mean: bytes | None) -> None:
    combined, _, failure = probe_of("mean", ["[1,2]", output]).combine()
    assert combined == mean
    assert (failure is None) == (mean is not None)
    assert failure is None or failure.startswith("the combine rule mean needs outputs")
