"""A learners' store that cannot be opened is refused at the start, and says what is at stake."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipper.config import ClipperConfig
from clipper.errors import StartError
from clipper.management.__main__ import _open_state
from clipper.state.open import LEARNER


def test_damaged_store_of_the_learners_is_refused_and_says_that_only_learning_is_lost(tmp_path: Path) -> None:
    (tmp_path / "state-learner.sqlite").write_text("no database" * 100)
    with pytest.raises(StartError, match=r"what policies have learned: the state in .*state-learner") as caught:
        _open_state(ClipperConfig(tmp_path), LEARNER)
    assert "learning begins anew" in caught.value.hint
    _open_state(ClipperConfig(tmp_path)).close()
