"""Policies evaluated on the decision logs of applications, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

from clipper.config import ClipperConfig
from clipper.errors import ClipperError, InternalError, NotFoundError, UnavailableError, kind_of

_logger = logging.getLogger(__name__)
_LAST_WORDS_CHARACTERS: Final = 2_000


class Evaluations:
    """One at a time: an evaluation keeps a core busy, and those are for queries."""

    def __init__(self, config: ClipperConfig) -> None:
        self._directory = config.log_dir / "decisions"
        self._limit_s = config.management.evaluation_limit_us / 1e6
        self._is_busy = False

    async def evaluate(self, application: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `clipper.evaluation.Evaluation.to_json` returns.

        Parameters
        ----------
        question : mapping
            Fields of `clipper.evaluation.Question`, but for those that say which log.

        Raises
        ------
        NotFoundError
            The application has logged no decision.
        UnavailableError
            Another evaluation runs, or this one took too long.
        ClipperError
            Whatever the evaluation refuses.
        """
        log = self._directory / f"{application}.jsonl"
        if not log.exists():
            raise NotFoundError(
                f"application {application!r} has logged no decision",
                hint='its decisions are logged from when it has learning={"log_decisions": true}',
            )
        if self._is_busy:
            raise UnavailableError("another evaluation runs", hint="ask again when it has ended")
        self._is_busy = True
        try:
            return await self._ask({**question, "logs": [str(log)], "application": application})
        finally:
            self._is_busy = False

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "clipper.evaluation",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._limit_s):
                said, complaints = await process.communicate(json.dumps(question).encode())
        except TimeoutError:
            raise UnavailableError(
                f"the evaluation did not end within evaluation_limit_us={self._limit_s * 1e6:.0f}",
                hint="evaluate less of the log (since_us, until_us), or on its own machine: `clipper evaluate`",
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return _answer_of(said, complaints.decode(errors="replace")[-_LAST_WORDS_CHARACTERS:])


def _answer_of(said: bytes, complaints: str) -> dict[str, Any]:
    try:
        document = json.loads(said)
    except ValueError:
        _logger.error("an evaluation ended without an answer: %s", complaints)
        raise InternalError(
            "the evaluation ended without an answer", hint="see logs/management.log; please report it"
        ) from None
    if "answer" in document:
        answer: dict[str, Any] = document["answer"]
        return answer
    kind = kind_of(document["error"]) or ClipperError
    raise kind(document["cause"], hint=document["hint"])
