"""Records of what there is, and how they show themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from clipper import ModelInfo, ReplicaInfo, VersionInfo
from clipper.client.listings import Listing

VERSION: dict[str, Any] = {
    "name": "svm", "version": "2", "input_type": "doubles", "container": "sklearn", "replicas": 2, "ready_replicas": 1,
    "is_current": True, "is_deployed": True, "labels": ["a", "b"], "log_tail": "long\n" * 40, "of_a_later_server": 1,
}  # fmt: skip


def test_record_is_made_of_what_it_knows_and_cannot_be_changed() -> None:
    version = VersionInfo.from_answer(VERSION)
    assert (version.labels, version.is_ready) == (("a", "b"), False)
    assert "long" not in repr(version) and "svm" in repr(version)
    with pytest.raises(FrozenInstanceError):
        version.replicas = 3  # type: ignore[misc]


def test_listing_shows_itself_as_a_table_of_aligned_columns() -> None:
    model = ModelInfo.from_answer({"name": "svm", "current_version": None, "versions": [VERSION]})
    listing = Listing(ModelInfo, [model])
    assert repr(listing) == "name  current_version  versions\nsvm   -                2"
    assert listing[0] is model and len(listing) == 1


def test_counts_are_shown_as_numbers_and_booleans_as_words() -> None:
    first, second = repr(Listing(VersionInfo, [VersionInfo.from_answer(VERSION)])).splitlines()
    assert first.split()[-2:] == ["replicas", "ready_replicas"]
    assert second.split() == ["svm", "2", "yes", "doubles", "sklearn", "2", "1"]


def test_empty_listing_still_names_its_columns() -> None:
    assert repr(Listing(ReplicaInfo, [])) == "replica_id  state  pid  devices  reason"


def test_notebook_gets_a_table_with_its_text_escaped() -> None:
    replica = ReplicaInfo("m:1:0", "m", "1", "ready", 7, "<script>")
    assert "&lt;script&gt;" in Listing(ReplicaInfo, [replica])._repr_html_()
    assert "<th>pid</th><td>7</td>" in replica._repr_html_()
