"""Where the files of models lie: staged by a client, taken by a deployment, removed with the version."""

from __future__ import annotations

import shutil
from collections.abc import Set
from pathlib import Path

from clipper.errors import ConflictError, InvalidArgumentError, UnavailableError
from clipper.types import ModelId


class ModelFiles:
    """The tree ``<model_dir>/<name>/<version>`` and the staging directory beside it."""

    def __init__(self, model_dir: Path, staging_dir: Path) -> None:
        self._model_dir = model_dir
        self._staging_dir = staging_dir

    def path(self, model_id: ModelId) -> Path:
        """Return the directory of a model version."""
        return self._model_dir / model_id.name / model_id.version

    def check_staged(self, path: Path) -> Path:
        """Accept only what lies in the staging directory: only this user, or an upload, can have put it there.

        Any other path would let whoever reaches the management port name a file that a container then opens.

        Raises
        ------
        InvalidArgumentError
            It lies elsewhere, or is not there.
        """
        staging = self._staging_dir.resolve()
        try:
            resolved = path.resolve()
            is_staged = resolved.parent == staging and resolved.is_dir() and not resolved.name.startswith(".")
        except (OSError, ValueError):  # a name that is too long, or holds a NUL
            is_staged = False
        if not is_staged:
            raise InvalidArgumentError(
                f"files={str(path)!r} is not a directory in {str(staging)!r}",
                hint="upload the files by POST /api/v1/files, and name the directory that it answers",
            )
        return resolved

    def take(self, model_id: ModelId, staged: Path | None) -> None:
        """Move the staged files to their place; what an interrupted run left there is replaced.

        Raises
        ------
        ConflictError
            Another deployment took them first.
        UnavailableError
            The directory cannot be written.
        """
        target = self.path(model_id)
        self.remove(model_id)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if staged is None:
                target.mkdir(mode=0o700)
            else:
                staged.rename(target)
        except FileNotFoundError as error:
            raise ConflictError(
                f"files={str(staged)!r} is gone: another deployment has taken it", hint="upload the files again"
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"the files of {model_id} cannot be put in {str(target)!r}: {error.strerror or error}",
                hint="see the free space and the permissions of the run directory",
            ) from error

    def keep_only(self, known: Set[ModelId]) -> None:
        """Remove what a deletion or a deployment left that was interrupted by a crash."""
        for path in self._model_dir.glob("*/*"):
            model_id = ModelId(path.parent.name, path.name)
            if path.parent != self._staging_dir and model_id not in known:
                self.remove(model_id)

    def remove(self, model_id: ModelId) -> None:
        """Remove the files of a version; there may be none."""
        target = self.path(model_id)
        shutil.rmtree(target, ignore_errors=True)
        try:
            target.parent.rmdir()
        except OSError:
            return  # other versions of the model are there, or it never had files
