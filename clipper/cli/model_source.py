"""What a model's SOURCE on the command line is, and the files that a container gets of it.

A pickle is never opened here: only the names that it would import are read from its first bytes, to choose the
container. A ``module:name`` is the caller's own code, and is imported as Python would.
"""

from __future__ import annotations

import importlib
import json
import pickletools
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from clipper.errors import InvalidArgumentError, NotFoundError
from model_containers.python_function import FUNCTION_FILE
from model_containers.sklearn import JOBLIB_FILE, METADATA_FILE, METHODS, PICKLE_FILE

PICKLE_SUFFIXES: Final = (".pkl", ".pickle")
JOBLIB_SUFFIXES: Final = (".joblib",)
# Formats that a data scientist may have, and no container of ours opens.
_FOREIGN_SUFFIXES: Final = (".onnx", ".pt", ".pth", ".h5", ".keras", ".bst", ".ubj", ".json", ".safetensors", ".pmml")
# How joblib's compressed files begin: zlib, gzip, bzip2, xz, lzma, lz4.
_COMPRESSED: Final = (b"\x78", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"\x5d\x00", b"\x04\x22\x4d\x18")
_LONGEST_MAGIC: Final = 5
# The class of an estimator is among the first names of its pickle; a function's are cloudpickle's.
_MOST_OPCODES: Final = 5_000
_FUNCTION_MODULES: Final = ("cloudpickle",)
_COPYREG: Final = ("copyreg", "copy_reg", "builtins", "numpy")


class ModelSource:
    """A model on its way into a container.

    ``container`` is the one that was asked for, or the one that fits; ``description`` says in words what was found.
    """

    def __init__(self, source: str, container: str | None, method: str | None) -> None:
        self.container = container or ""
        self.description = ""
        self._method = method
        if method is not None and method not in METHODS:
            raise InvalidArgumentError(f"--method={method!r} is none of {', '.join(METHODS)}")
        path = Path(source).expanduser()
        self._path: Path | None = path if path.exists() else None
        self._model: Any = None
        self._is_joblib = False
        if self._path is None:
            self._import(source)
        elif self._path.is_dir():
            self._take_directory(self._path)
        else:
            self._take_file(self._path)
        if method is not None and self.container != "sklearn":
            raise InvalidArgumentError(f"--method is for scikit-learn estimators, and {source!r} is {self.description}")

    def save(self, directory: Path) -> None:
        """Write the files into ``directory``, which is empty."""
        from clipper.deployers import find_deployer

        if self._model is not None:
            find_deployer(self._model, self.container).save(self._model, directory)
        elif self._path is not None and self._path.is_dir():
            shutil.copytree(self._path, directory, dirs_exist_ok=True)
        elif self._path is not None:
            shutil.copyfile(self._path, directory / self._file_name(self._path))
        if self._method is not None:
            (directory / METADATA_FILE).write_text(json.dumps({"method": self._method}), encoding="utf-8")

    def _file_name(self, path: Path) -> str:
        if self.container == "python_function":
            return FUNCTION_FILE
        if self.container == "sklearn":
            return JOBLIB_FILE if self._is_joblib or path.suffix in JOBLIB_SUFFIXES else PICKLE_FILE
        return path.name

    def _take_directory(self, path: Path) -> None:
        self.description = "a directory, taken as it is"
        if not self.container:
            raise InvalidArgumentError(
                f"{str(path)!r} is a directory", hint="say which container shall open it: --container NAME"
            )

    def _take_file(self, path: Path) -> None:
        if path.suffix in _FOREIGN_SUFFIXES and not self.container:
            raise InvalidArgumentError(
                f"no container of Clipper's opens {path.suffix} files",
                hint="write a function that loads it and predicts, and deploy that: clipper deploy NAME VERSION "
                "module:function",
            )
        if path.suffix == ".py":
            raise InvalidArgumentError(
                f"{str(path)!r} is a Python file; which function of it?", hint=f"for example {path}:predict"
            )
        if self.container:
            self.description = "a file, taken as it is"
        elif path.suffix in JOBLIB_SUFFIXES:
            self.container, self.description = "sklearn", "a joblib file"
        else:
            self._take_pickle(path)

    def _take_pickle(self, path: Path) -> None:
        with path.open("rb") as file:
            is_compressed = file.read(_LONGEST_MAGIC).startswith(_COMPRESSED)
            file.seek(0)
            names = list(_imported_names(file))
        if is_compressed or any(name.startswith("joblib.") for name in names):
            self._is_joblib = True  # whatever its suffix: joblib.dump(model, "model.pkl") is often seen
            self.container, self.description = "sklearn", "a joblib file"
            return
        if not names and path.suffix not in PICKLE_SUFFIXES:
            raise InvalidArgumentError(
                f"{str(path)!r} is no pickle", hint="say which container shall open it: --container NAME"
            )
        modules = [name for name in names if name.split(".")[0] not in _COPYREG]
        first = modules[0] if modules else ""
        if first.split(".")[0] in _FUNCTION_MODULES:
            self.container, self.description = "python_function", "a function pickled by cloudpickle"
        elif first:
            self.container, self.description = "sklearn", f"a pickle of {first}"
        else:
            raise InvalidArgumentError(
                f"{str(path)!r} does not tell what it is a pickle of",
                hint="--container sklearn for an estimator, --container python_function for a function",
            )

    def _import(self, source: str) -> None:
        """Import ``module:name`` or ``file.py:name``."""
        place, _, name = source.rpartition(":")
        if not place or not name:
            near = _nearest_file(source)
            raise NotFoundError(
                f"there is no file {source!r}",
                hint=near or "a model is a file (.pkl, .joblib), a directory, module:function or file.py:function",
            )
        from clipper.deployers import find_deployer

        with _telling_import_errors(place):
            module = _import_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        value: Any = module
        for part in name.split("."):
            if not hasattr(value, part):
                raise NotFoundError(f"there is no {name!r} in {place}", hint=_nearest_attribute(part, value))
            value = getattr(value, part)
        deployer = find_deployer(value, self.container or None)
        self._model = value
        self.container = deployer.container
        self.description = f"{type(value).__name__} {name} of {place}"


def _import_file(path: Path) -> Any:
    """Import a file beside which its own imports are found, under its own name: then it is pickled by value."""
    if not path.is_file():
        raise NotFoundError(f"there is no file {str(path)!r}", hint=_nearest_file(str(path)))
    sys.path.insert(0, str(path.resolve().parent))
    return importlib.import_module(path.stem)


@contextmanager
def _telling_import_errors(place: str) -> Iterator[None]:
    """Tell what the caller's own code raises by its last line, not by our traceback."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        yield
    except NotFoundError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == place.split(".")[0]:
            hint = "run this where the module can be imported, or name its file: path/to/file.py:function"
            raise NotFoundError(f"there is no module {place!r}", hint=hint) from error
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
        where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
        raise InvalidArgumentError(
            f"{place!r} cannot be imported: {type(error).__name__}: {error}{where}",
            hint="CLIPPER_DEBUG=1 shows the whole traceback",
        ) from error


def _imported_names(file: IO[bytes]) -> Iterator[str]:
    """Yield ``module.name`` of what a pickle would import, as far as its beginning tells; nothing is executed."""
    strings: list[str] = []
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count > _MOST_OPCODES:
                return
            if opcode.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
                yield f"{strings[-2]}.{strings[-1]}"
            elif isinstance(argument, str):
                strings = [*strings[-1:], argument]
    except (ValueError, EOFError, UnicodeDecodeError, IndexError):
        return  # joblib's array bytes, or no pickle at all


def _nearest_file(source: str) -> str:
    from clipper.cli.server import nearest

    path = Path(source)
    try:
        near = nearest(path.name, (entry.name for entry in path.parent.iterdir()))
    except OSError:
        return ""
    return f"did you mean {str(path.with_name(near))!r}?" if near else ""


def _nearest_attribute(name: str, value: Any) -> str:
    from clipper.cli.server import nearest

    near = nearest(name, (known for known in vars(value) if not known.startswith("_")))
    return f"did you mean {near!r}?" if near else ""
