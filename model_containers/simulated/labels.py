"""Answers that are wrong at a stated rate: a classifier with a known error, for whatever learns which model to trust.

The true label stands in the input, so the simulated model can tell right from wrong and the caller knows every error
rate beforehand. Which queries are answered wrongly depends on the seed and the query's number alone: a query that is
asked again gets the same answer, from every replica, whatever was asked in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from model_containers.codec import Inputs
from model_containers.container import ItemError

MIN_CLASSES: Final = 2
MAX_CLASSES: Final = 1 << 20
MAX_NUMBER: Final = 2.0**53  # beyond it a double skips numbers, and two queries would be one
# What stands where in an input; the third element may be left out.
LABEL, NUMBER, DEGRADED = 0, 1, 2

Doubles: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]

# SplitMix64 (Steele, Lea, Flood 2014): each number gets a word of its own, without a state that queries would share.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_WORD: Final = (1 << 64) - 1
_FACTORS: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
# Streams of random numbers; those of a model are moved by its seed, which no other stream's number reaches.
_IS_COMMON, _COMMON_ERROR, _COMMON_CHOICE, _OWN_ERROR, _OWN_CHOICE, _STREAMS = range(6)


@dataclass(frozen=True)
class LabelErrors:
    """Which label a model answers, given the true one.

    Parameters
    ----------
    classes : int
        Labels are 0 to ``classes - 1``; a wrong answer is one of the other labels, each as likely.
    error_ratio, degraded_error_ratio : float
        Share of wrong answers, as a rule and while the model is degraded.
    shared_ratio : float
        Share of the queries in which all models with this setting fail together: one draw says for all whether the
        query is too hard for a model of its error, and which wrong label it looks like. 0: independent errors.
    seed : int
        Models with the same seed fail at the same queries.
    """

    classes: int
    error_ratio: float
    degraded_error_ratio: float
    shared_ratio: float = 0.0
    seed: int = 0

    def answers(self, labels: Integers, numbers: Integers, is_degraded: npt.NDArray[np.bool_]) -> Integers:
        """Return the labels that the model gives.

        Parameters
        ----------
        labels, numbers : ndarray, shape (n,)
            True label and number of each query.
        is_degraded : ndarray, shape (n,)
            For which of them the model is degraded.
        """
        words = numbers.astype(np.uint64)
        is_common = self._uniform(words, _IS_COMMON) < self.shared_ratio
        error = np.where(is_common, self._uniform(words, _COMMON_ERROR), self._uniform(words, _OWN_ERROR))
        choice = np.where(is_common, self._uniform(words, _COMMON_CHOICE), self._uniform(words, _OWN_CHOICE))
        is_wrong = error < np.where(is_degraded, self.degraded_error_ratio, self.error_ratio)
        moved = (labels + 1 + (choice * (self.classes - 1)).astype(np.int64)) % self.classes
        return np.where(is_wrong, moved, labels)

    def _uniform(self, words: Words, stream: int) -> Doubles:
        """Return one number of [0, 1) for each word; streams from _OWN_ERROR on differ between seeds."""
        if stream >= _OWN_ERROR:
            stream += _STREAMS * (self.seed + 1)
        key = _mixed(np.array([stream & _WORD], np.uint64))
        return (_mixed(_mixed(words) ^ key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(words: Words) -> Words:
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is meant
        words = words + _STEP
        words = (words ^ (words >> np.uint64(30))) * _FACTORS[0]
        words = (words ^ (words >> np.uint64(27))) * _FACTORS[1]
    return words ^ (words >> np.uint64(31))


def answer_labels(errors: LabelErrors, inputs: Inputs, is_degraded: bool) -> Any:
    """Return one label per input, or an error in the place of an input that tells no label and number.

    Parameters
    ----------
    inputs : ndarray, shape (batch, dim), or list of 1-D arrays
        Each one: the true label, the number of the query (0 to 2^53 - 1), and optionally a number other than 0 if the
        model is to be degraded for this query. What stands behind is ignored.
    is_degraded : bool
        Whether it is degraded for all of them.
    """
    rows, is_readable = _rows_of(inputs)
    labels, numbers = rows[:, LABEL], rows[:, NUMBER]
    is_readable &= (labels >= 0) & (labels < errors.classes) & (labels == np.floor(labels))
    is_readable &= (numbers >= 0) & (numbers < MAX_NUMBER) & (numbers == np.floor(numbers))
    readable = np.where(is_readable[:, None], rows, 0.0)
    answers = errors.answers(
        readable[:, LABEL].astype(np.int64),
        readable[:, NUMBER].astype(np.int64),
        (readable[:, DEGRADED] != 0) | is_degraded,
    )
    if is_readable.all():
        return answers
    cause = f"expected [label, query number, ...] with a label of 0 to {errors.classes - 1} and a number from 0 on"
    return [
        int(answer) if known else ItemError(cause) for answer, known in zip(answers, is_readable.tolist(), strict=True)
    ]


def _rows_of(inputs: Inputs) -> tuple[Doubles, npt.NDArray[np.bool_]]:
    """Return the first three numbers of each input, 0 for those that are not there, and whether the first two are."""
    count, width = len(inputs), DEGRADED + 1
    rows, is_readable = np.zeros((count, width)), np.zeros(count, np.bool_)
    if isinstance(inputs, np.ndarray):
        flat = inputs.reshape(count, -1)
        rows[:, : min(width, flat.shape[1])] = flat[:, :width]
        is_readable[:] = flat.shape[1] > NUMBER
        return rows, is_readable
    for at, one in enumerate(inputs):
        if isinstance(one, np.ndarray) and one.size > NUMBER:
            known = one.ravel()[:width]
            rows[at, : len(known)], is_readable[at] = known, True
    return rows, is_readable
