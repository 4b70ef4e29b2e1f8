"""Where requests go, what they are, and which answers are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipper.bench.answer_check import DEFAULT_TEXT, AnswerCheck
from clipper.bench.body_forms import BodyForm, Headers, accepted_texts, choose_form, cut_body, form_of
from clipper.bench.request_template import CounterForm, RequestTemplate
from clipper.bench.url import split_url
from clipper.errors import InvalidArgumentError

__all__ = ["AnswerCheck", "BodyForm", "CounterForm", "RequestTemplate", "Target", "join_targets", "parse_target"]

MAX_GROUPS = 64
MAX_REQUESTS = 1_000_000


@dataclass(frozen=True)
class Target:
    """A server under load.

    Parameters
    ----------
    url : str
        `http://HOST[:PORT][/...]`; only host and port are used.
    requests : tuple of RequestTemplate
        The counter chooses among them in turn.
    """

    url: str
    requests: tuple[RequestTemplate, ...]
    check: AnswerCheck = AnswerCheck()

    def __post_init__(self) -> None:
        split_url(self.url)
        if not 1 <= len(self.requests) <= MAX_REQUESTS:
            raise InvalidArgumentError(f"there are {len(self.requests)} requests, expected 1 to {MAX_REQUESTS}")
        if len(self.groups) > MAX_GROUPS:
            raise InvalidArgumentError(f"there are {len(self.groups)} groups, expected at most {MAX_GROUPS}")
        if self.check.echoes_counter and any(one.counter is not CounterForm.DIGITS for one in self.requests):
            raise InvalidArgumentError("an answer cannot echo the counter of a request that does not hold its digits")

    @property
    def host(self) -> str:
        """Name or address, without brackets."""
        return split_url(self.url)[0]

    @property
    def port(self) -> int:
        """80 unless the URL says otherwise."""
        return split_url(self.url)[1]

    @property
    def authority(self) -> str:
        """What goes into the header `Host`."""
        host, port, _ = split_url(self.url)
        name = f"[{host}]" if ":" in host else host
        return name if port == 80 else f"{name}:{port}"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of requests, in the order in which they first occur."""
        return tuple(dict.fromkeys(request.group for request in self.requests))


def parse_target(
    url: str,
    *,
    form: str = BodyForm.AUTO,
    inputs: Sequence[Any] = (),
    answers: Sequence[Any] | None = None,
    is_unique: bool = False,
    headers: Headers = (),
    method: str = "POST",
    statuses: tuple[int, ...] = (200,),
    accept: tuple[bytes, ...] = (),
    group: str = "",
) -> Target:
    """Make a target of a URL, inputs and right answers.

    Parameters
    ----------
    form : str
        A `BodyForm`; `auto` decides by the URL and the inputs.
    inputs : sequence
        Sent in turn.
    answers : sequence, optional
        The right answer to each input; None: any answer with a good status is right, except default outputs of Clipper.
    is_unique : bool
        The first number of each input becomes a fraction of its own in each request (the first string begins with
        digits of its own), so that no cache knows the answer.
    accept : tuple of bytes
        One of these is in every right answer.
    group : str
        See `RequestTemplate.group`.

    Raises
    ------
    InvalidArgumentError
        If the URL, the form or an input is not one, or there are not as many answers as inputs.
    """
    _, _, path = split_url(url)
    chosen = choose_form(path, inputs) if form == BodyForm.AUTO else form_of(form)
    if chosen is BodyForm.GET:
        inputs, method = inputs or (b"",), "GET"
    if not len(inputs):
        raise InvalidArgumentError(f"there is nothing to send to {url}, expected one input or more")
    if answers is not None and len(answers) != len(inputs):
        raise InvalidArgumentError(f"there are {len(answers)} answers to {len(inputs)} inputs, expected as many")
    requests = []
    for number, value in enumerate(inputs):
        (before, after), counter, own = cut_body(chosen, value, is_unique)
        right = () if answers is None else accepted_texts(chosen, answers[number])
        requests.append(RequestTemplate(path, before, after, _joined(own, headers), counter, method, right, group))
    is_clipper = chosen is BodyForm.CLIPPER
    check = AnswerCheck(
        statuses=statuses,
        default_text=DEFAULT_TEXT if is_clipper else b"",
        accept=accept,
        is_json=chosen in (BodyForm.CLIPPER, BodyForm.JSON, BodyForm.OIP),
    )
    return Target(url, tuple(requests), check)


def join_targets(targets: Sequence[Target]) -> Target:
    """Return one target of several on the same server, each input of each in turn; give them groups to tell them apart.

    Raises
    ------
    InvalidArgumentError
        If they are not on one server, or take different answers for right.
    """
    if not targets:
        raise InvalidArgumentError("there are no targets, expected one or more")
    first = targets[0]
    for other in targets[1:]:
        if other.authority != first.authority:
            raise InvalidArgumentError(f"{other.url} is not on the server of {first.url}, expected one server")
        if other.check != first.check:
            raise InvalidArgumentError(f"{other.url} has other right answers than {first.url}, expected the same check")
    longest = max(len(target.requests) for target in targets)
    turns = (target.requests[i % len(target.requests)] for i in range(longest) for target in targets)
    return Target(first.url, tuple(turns), first.check)


def _joined(own: Headers, given: Headers) -> Headers:
    """The user's headers replace ours."""
    names = {name.lower() for name, _ in given}
    return (*(header for header in own if header[0].lower() not in names), *given)
