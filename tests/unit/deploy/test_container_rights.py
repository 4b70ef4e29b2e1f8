"""Who runs in Docker containers, and what that user is let read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from clipper.config import DockerConfig
from clipper.errors import InvalidArgumentError
from clipper.security.container_rights import UNPRIVILEGED_USER, container_user, copy_keys, share_files

OWN = f"{os.geteuid()}:{os.getegid()}"


def test_containers_have_clippers_own_user_but_never_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert container_user(DockerConfig()) == "1000:1000"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert container_user(DockerConfig()) == UNPRIVILEGED_USER
    assert container_user(DockerConfig(user="7:8")) == "7:8"


def test_files_of_ones_own_user_are_left_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.touch(mode=0o600)
    share_files(tmp_path, OWN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_files_of_a_model_are_shared_with_the_group_alone_and_links_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned: list[tuple[str, int]] = []
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: owned.append((Path(path).name, gid)))
    secret, model = tmp_path / "secret", tmp_path / "model"
    secret.touch(mode=0o600)
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "weights").touch(mode=0o600)
    (model / "link").symlink_to(secret)
    share_files(model, f"{os.geteuid() + 1}:77")
    assert sorted(owned) == [("deep", 77), ("model", 77), ("weights", 77)]
    assert stat.S_IMODE((model / "deep" / "weights").stat().st_mode) == 0o640
    assert stat.S_IMODE(model.stat().st_mode) == 0o750
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_keys_are_copied_for_their_user_alone_over_what_was_there(tmp_path: Path) -> None:
    source, target = tmp_path / "container.keys", tmp_path / "copy"
    source.write_text("secret_key x\n")
    target.write_text("an older and longer one")
    target.chmod(0o644)
    assert copy_keys(source, target, OWN) == target
    assert target.read_text() == "secret_key x\n" and stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(InvalidArgumentError, match=r"keys of containers in '.*missing' cannot be used"):
        copy_keys(tmp_path / "missing", target, OWN)
