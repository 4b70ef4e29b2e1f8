"""TEXT: forty words (about 270 bytes) whose topic is named; strings in, a string out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.loadgen.request import Body
from bench.subjects.servers import text_model
from bench.zoo.questions import BASE_INPUTS, SEED, Questions

TOPICS = ("science", "sport", "politics", "music")
VOCABULARY = 2_000
WORDS_A_TEXT = 40
SYLLABLES = ("ka", "lo", "mi", "ner", "pu", "ra", "sel", "tor", "vi", "zu", "ban", "dei")


@cache
def _weights() -> dict[str, list[float]]:
    """Words, and how much each speaks for each topic."""
    random = np.random.default_rng(SEED)
    weights: dict[str, list[float]] = {}
    while len(weights) < VOCABULARY:
        word = "".join(random.choice(SYLLABLES, random.integers(2, 5)))
        topic = int(random.integers(len(TOPICS)))
        weights.setdefault(word, [round(float(w), 3) for w in random.random(len(TOPICS)) + 2 * np.eye(4)[topic]])
    return weights


def save(directory: Path) -> None:
    """Write what bench/subjects/servers/text_model.py reads."""
    content: dict[str, Any] = {"topics": TOPICS, "weights": _weights()}
    (directory / text_model.FILE).write_text(json.dumps(content), encoding="ascii")


@cache
def questions() -> Questions:
    """Return texts, each about one topic in the main; the counter is a word that the model does not know."""
    random = np.random.default_rng(SEED)
    by_topic: list[list[str]] = [[] for _ in TOPICS]
    for word, weights in _weights().items():
        by_topic[int(np.argmax(weights))].append(word)
    everything = list(_weights())
    bodies, answers = [], []
    for number in range(BASE_INPUTS):
        topic = number % len(TOPICS)
        words = [*random.choice(by_topic[topic], WORDS_A_TEXT // 2), *random.choice(everything, WORDS_A_TEXT // 2)]
        text = " ".join(random.permutation(words))
        bodies.append(Body(b'"', f' {text}"'.encode("ascii")))
        answers.append(TOPICS[topic])
    return Questions(tuple(bodies), tuple(answers))
