"""The TEXT model as every subject serves it: adds up what each known word of a text says for each topic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = "text_weights.json"


def load(directory: Path) -> Callable[[Any], list[Any]]:
    """Return the model: a batch of texts to a list of topics."""
    content = json.loads((directory / FILE).read_text(encoding="ascii"))
    topics, weights = content["topics"], content["weights"]

    def predict(texts: Any) -> list[Any]:
        return [_topic(text) for text in texts]

    def _topic(text: str) -> Any:
        known = [weights[word] for word in text.split() if word in weights]
        scores = [sum(column) for column in zip(*known, strict=True)] or [0.0]
        return topics[scores.index(max(scores))]

    return predict
