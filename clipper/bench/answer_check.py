"""Which answers are right."""

from __future__ import annotations

from dataclasses import dataclass

from clipper.errors import InvalidArgumentError

DEFAULT_TEXT = b'"default":true'  # what an answer of Clipper holds that is its application's default output


@dataclass(frozen=True)
class AnswerCheck:
    """What an answer is taken for; every one is looked at.

    Parameters
    ----------
    statuses : tuple of int
        Those of an answer.
    rejected_statuses : tuple of int
        Those with which a server says that it has too much to do; any other is an error.
    default_text : bytes
        An answer that holds this is a default output, not the model's; empty: there is no such thing.
    accept : tuple of bytes
        A right answer holds one of these; none: anything goes.
    echoes_counter : bool
        A right answer holds the counter's eight digits.
    is_json : bool
        White space between the tokens of an answer does not count; the texts above are written without.
    """

    statuses: tuple[int, ...] = (200,)
    rejected_statuses: tuple[int, ...] = (429, 503)
    default_text: bytes = b""
    accept: tuple[bytes, ...] = ()
    echoes_counter: bool = False
    is_json: bool = False

    def __post_init__(self) -> None:
        if not self.statuses:
            raise InvalidArgumentError("there is no status of an answer, expected one or more, such as 200")
        for status in (*self.statuses, *self.rejected_statuses):
            if not 200 <= status <= 599:
                raise InvalidArgumentError(f"{status} is no status of an answer, expected 200 to 599")
        if both := set(self.statuses) & set(self.rejected_statuses):
            raise InvalidArgumentError(f"{sorted(both)} cannot be both an answer and a refusal")
