"""From the options of ``clipper bench`` to what is measured: the target, the processes behind it, the objective."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clipper.cli.bench_inputs import (
    compact_answers,
    made_up_input,
    oip_inputs,
    parse_headers,
    read_answers,
    read_inputs,
    without_blanks,
)
from clipper.cli.bench_options import LoadOptions
from clipper.cli.durations import parse_duration_us
from clipper.cli.ratios import parse_ratio
from clipper.cli.server import connect
from clipper.client.api_paths import segment
from clipper.errors import InvalidArgumentError, ModelError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from clipper.bench.measure import Setup
    from clipper.bench.objective import Objective
    from clipper.bench.targets import Target

_FIRST_ANSWER_LIMIT_S: Final = 10.0
_LAG_PART_OF_SLO: Final = 10  # a generator later than a tenth of the objective measures itself
_LEAST_LAG_LIMIT_US: Final = 200.0
_SHOWN_BYTES: Final = 200


@dataclass(frozen=True)
class Plan:
    """What is measured; ``about`` is what a record says of the target."""

    setup: Setup
    objective: Objective | None
    about: Mapping[str, Any]
    doubts: tuple[str, ...] = ()


def plan_of(target: str, options: LoadOptions, *, is_slo_needed: bool, least_queries: int = 1) -> Plan:
    """Return what the options mean, after one request has shown that the server answers as expected.

    Raises
    ------
    ClipperError
        An option is not valid, nothing answers, or not as expected.
    """
    from clipper.bench.arrivals import parse_arrivals
    from clipper.bench.keys import parse_keys
    from clipper.bench.load_run import MAX_LAG_P99_US
    from clipper.bench.measure import Setup, clipper_version, metrics_url_of

    url, application = _resolve(target, options)
    found, doubts = _target(url, application, options)
    objective = _objective(application, options)
    if objective is None and is_slo_needed:
        raise InvalidArgumentError(
            f"{target} has no latency objective that is known here", hint="say what it shall keep: --slo 20ms"
        )
    server = first_answer(found)
    is_local = bool(options.pid) or _is_here(found.host)
    metrics = metrics_url_of(url) if options.metrics is None else None if options.metrics == "none" else options.metrics
    roots, more = _roots(found, is_local, options)
    setup = Setup(
        target=found,
        arrivals=parse_arrivals(options.arrivals),
        duration_s=parse_duration_us(options.duration, "--duration") / 1e6,
        warmup_s=parse_duration_us(options.warmup, "--warmup") / 1e6,
        connections=options.connections,
        threads=options.threads,
        seed=options.seed,
        least_queries=least_queries,
        roots=roots,
        is_local=is_local,
        metrics_url=metrics,
        most_lag_us=(
            MAX_LAG_P99_US if objective is None else max(_LEAST_LAG_LIMIT_US, objective.slo_us / _LAG_PART_OF_SLO)
        ),
        most_other_cores=options.max_other_cores,
        keys=parse_keys(options.keys),
    )
    told = clipper_version(metrics) if metrics is not None else server
    return Plan(setup, objective, {"url": url, **_about(found), "server": told}, (*doubts, *more))


def _resolve(target: str, options: LoadOptions) -> tuple[str, Mapping[str, Any] | None]:
    """Return the URL, and the application where one is named."""
    if "://" in target:
        return target, None
    if "/" in target or ":" in target:
        raise InvalidArgumentError(f"{target!r} is neither a URL nor a name", hint=f"did you mean http://{target}?")
    with connect(**options.connection) as server:
        status = server.status()
        applications = {item["name"]: item for item in status["applications"]}
        if target not in applications:
            with server.suggesting(application=target):
                raise NotFoundError(
                    f"there is no application {target!r}",
                    hint="`clipper apps` lists them; a server of others has a URL",
                )
        application = applications[target]
        if not application["models"]:
            raise InvalidArgumentError(
                f"no model is linked to {target!r}: each answer would be its default output",
                hint=f"clipper link {target} MODEL",
            )
        url = f"{server.query(status).base_url}/{segment(target)}/predict"
    return url, application


def _target(url: str, application: Mapping[str, Any] | None, options: LoadOptions) -> tuple[Target, list[str]]:
    from clipper.bench.body_forms import choose_form
    from clipper.bench.targets import BodyForm, parse_target
    from clipper.bench.url import split_url

    is_unique = bool(options.unique)
    inputs = read_inputs(options.input, options.inputs, is_unique)
    if application is not None and not inputs:
        value, can_differ = made_up_input(application)
        is_unique = can_differ and options.unique is not False
        inputs = [value]
    answers = read_answers(options.answers)
    form = options.form
    if form == BodyForm.AUTO:
        form = choose_form(split_url(url)[2], inputs)
    if form in (BodyForm.OIP, BodyForm.OIP_BINARY):
        inputs = oip_inputs(url, inputs)
    if answers is not None and form in (BodyForm.JSON, BodyForm.BINARY, BodyForm.GET):
        answers = compact_answers(answers)
    found = parse_target(
        url,
        form=form,
        inputs=inputs,
        answers=answers,
        is_unique=is_unique,
        headers=parse_headers(options.header),
        method=options.method,
        statuses=(options.expect_status,),
        accept=tuple(text.encode("utf-8") for text in _expected(form, options)),
    )
    doubts = []
    if form != BodyForm.GET and all(not one.hole(0) for one in found.requests):
        doubts.append(
            "the same inputs were sent again and again: a cache may have answered (--unique, or {counter} in --input)"
        )
    if answers is None and not options.expect:
        seen = (
            "by their status, and default outputs told apart" if found.check.default_text else "by their status alone"
        )
        doubts.append(f"answers were judged {seen} (--expect or --answers look at what they say)")
    return found, doubts


def _expected(form: str, options: LoadOptions) -> list[str]:
    """Return the texts of ``--expect`` as they are looked for: in JSON white space does not count."""
    from clipper.bench.targets import BodyForm

    is_json = form in (BodyForm.CLIPPER, BodyForm.JSON, BodyForm.OIP)
    return [without_blanks(text) if is_json else text for text in options.expect]


def _objective(application: Mapping[str, Any] | None, options: LoadOptions) -> Objective | None:
    from clipper.bench.objective import Objective

    if options.slo is not None:
        slo_us = parse_duration_us(options.slo, "--slo")
    elif application is not None:
        slo_us = int(application["latency_slo_us"])
    else:
        return None
    return Objective(slo_us, options.percentile, parse_ratio(options.max_misses, "--max-misses"))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _roots(target: Target, is_local: bool, options: LoadOptions) -> tuple[tuple[int, ...], list[str]]:
    """Return the server's processes, and why none are watched."""
    from clipper.bench.listeners import listeners_on
    from clipper.bench.procfs import read_process

    if not options.watch:
        return (), ["no process of the server was watched (--no-watch): one that stalled would not be noticed"]
    for pid in options.pid:
        if read_process(pid) is None:
            raise NotFoundError(f"--pid={pid}: there is no such process", hint="`pgrep -af NAME` finds it")
    found = options.pid or (tuple(listeners_on(target.port)) if is_local else ())
    if found:
        return tuple(found), []
    where = "its processes belong to another user or a container" if is_local else "it runs on another machine"
    return (), [f"no process of the server was watched ({where}): --pid names one of this machine"]


def first_answer(target: Target) -> str:
    """Send the first request, look at its answer as the load client will at each, and return what server it names.

    Raises
    ------
    UnavailableError
        Nothing answers there.
    ModelError
        The answer is not as expected.
    """
    import http.client

    from clipper.bench.request_template import FIRST_COUNTER

    request = target.requests[0]
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_FIRST_ANSWER_LIMIT_S)
    try:
        body = request.body(FIRST_COUNTER)
        connection.request(request.method, request.path, body or None, dict(request.headers))
        answer = connection.getresponse()
        status, seen, server = answer.status, answer.read(), answer.getheader("Server", "")
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(
            f"nothing answers at http://{target.authority}: {error or type(error).__name__}",
            hint="start the server first, or correct host and port",
        ) from error
    finally:
        connection.close()
    shown = seen[:_SHOWN_BYTES].decode("utf-8", "replace")
    if status not in target.check.statuses:
        raise ModelError(
            f"{request.method} {request.path} is answered with status {status}: {shown}",
            hint="correct the path and the input, or say with --expect-status that this is right",
        )
    accepted = (*target.check.accept, *request.accept)
    compact = b"".join(seen.split()) if target.check.is_json else seen
    wanted = [b"".join(text.split()) if target.check.is_json else text for text in accepted]
    if accepted and not any(text in compact for text in wanted):
        expected = " or ".join(repr(text.decode("utf-8", "replace")) for text in accepted[:3])
        raise ModelError(
            f"the first answer is wrong: {shown!r} does not hold {expected}", hint="correct --expect or --answers"
        )
    return server


def _about(target: Target) -> dict[str, Any]:
    request = target.requests[0]
    sizes = [len(one.before) + len(one.hole(0)) + len(one.after) for one in target.requests]
    size = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    inputs = "" if len(target.requests) == 1 else f" in turn of {len(target.requests):,}"
    check = target.check
    right = f"status {', '.join(map(str, check.statuses))}"
    if check.accept or request.accept:
        right += ", and the body as given"
    if check.default_text:
        right += ", and no default output"
    return {"sends": f"{request.method} {request.path}, bodies of {size} bytes{inputs}", "expects": f"right is {right}"}
