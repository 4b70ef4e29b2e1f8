"""The I/O of a container: one connection, one thread that computes, one that keeps the session alive meanwhile.

The main thread owns the connection and waits in ``receive`` itself, so that a batch costs no hand-over between threads
and no poll. Only while it runs the model does it lend the connection: it lets go of a lock, and the keeper thread,
which wakes twice a heartbeat interval, takes the lock if it is free, reads what came, sends what is due and gives it
back. A lock is the full memory fence that ZeroMQ asks for when a socket changes threads; letting go and taking it back
costs 0.1 us a batch, where a thread for the connection would cost two wake-ups (20-50 us) every time.
A model that holds the interpreter without a break (C code that does not release the GIL) silences the keeper too: the
frontend then suspects the replica, which is what it is for.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn

from model_containers import log_lines
from model_containers import settings as exits
from model_containers.codec import Frame
from model_containers.connection import RECONNECT_INTERVAL_MS, Connection, FrontendStuckError, connect
from model_containers.container import FatalError, ModelContainer
from model_containers.session import ContainerSession, Exit, Leave, Predict
from model_containers.settings import ContainerSettings, SettingsError

logger = logging.getLogger("model_containers")


def monotonic_us() -> int:
    """Return the time of the container's one clock."""
    return time.monotonic_ns() // 1000


class ContainerLoop:
    """Serves one container until it is drained, stopped, refused or orphaned.

    Parameters
    ----------
    container : ModelContainer
        The model; its methods are called on the thread that calls ``run``.
    settings : ContainerSettings
        Who it is and where it connects.
    """

    def __init__(self, container: ModelContainer, settings: ContainerSettings) -> None:
        self._container = container
        self._settings = settings
        self._session = ContainerSession(settings)
        self._addresses = settings.addresses
        self._next_address = 0
        self._wake_ms = max(1, settings.limits.heartbeat_interval_us // 2000)
        self._connection: Connection | None = None
        self._generation = 0  # of the connection, when the session was told last
        self._is_stuck = False  # nobody reads at the other end: another connection is due with the next tick
        self._lock = threading.Lock()  # whoever holds it owns the connection and the session
        self._is_lent = False  # main thread only: the lock is let go, the keeper may hold it
        self._is_loading = False
        self._stop_requested = False
        self._is_stopping = False
        self._ended = threading.Event()

    def run(self) -> int:
        """Serve; return the exit code. Main thread only, if signals are to be taken."""
        keeper = threading.Thread(target=self._keep_alive, name="keeper", daemon=True)
        with self._lock:
            self._connect()
            self._take_signals()
            keeper.start()
            try:
                self._load()
                while self._session.exit is None:
                    self._turn()
            finally:
                self._ended.set()
                self._close(self._settings.limits.flush_us)
        keeper.join()
        code, reason = self._session.exit
        logger.log(logging.INFO if code == exits.EXIT_DONE else logging.ERROR, "exit %d: %s", code, reason)
        return code

    # -- main thread, holding the lock ---------------------------------------------------------------------------

    def _turn(self) -> None:
        """Do the oldest work; if there is none, wait for a message or for the time of a heartbeat first."""
        if self._stop_requested:
            self._begin_stop()
        if self._is_stuck:  # first of all: the work in hand was given to a session that is over
            self._tick()
        if not self._session.work:
            frames = self._receive(wait=True)
            if frames is not None:
                self._session.receive(frames, monotonic_us())
        if self._session.work:
            self._work()
        else:
            self._tick()

    def _work(self) -> None:
        work = self._session.take_work()
        if isinstance(work, Predict):
            try:
                answer = self._compute(work)
            except FatalError as error:  # unanswered, the batch goes to another replica
                logger.exception("the model cannot go on", extra={"batch_id": work.header.batch_id})
                self._session.exit = Exit(exits.EXIT_FATAL, f"the model cannot go on: {error}")
                return
            if work.epoch == self._session.epoch:
                self._send(answer)
            self._session.answered(monotonic_us())
        else:
            self._session.answered(monotonic_us())
            self._leave(work)

    def _compute(self, work: Predict) -> list[Any]:
        self._is_lent = True
        self._lock.release()
        try:
            return self._container.answer(work.header, work.frames)
        finally:
            self._lock.acquire()
            self._is_lent = False

    def _begin_stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        self._owned.set_wait(self._wake_ms)
        self._session.stop(monotonic_us())
        self._flush()

    def _leave(self, work: Leave) -> None:
        moves = bool(work.addresses) and not self._stop_requested
        self._session.leave(monotonic_us(), for_good=not moves)
        self._flush()
        if moves:
            logger.info("assigned to %s", " ".join(work.addresses))
            self._close(self._settings.limits.flush_us)
            self._addresses, self._next_address = work.addresses, 0
            self._connect()

    def _load(self) -> None:
        """Load and warm up the model, the connection being lent; SIGTERM ends it at once, for nothing is in hand."""
        started_us = monotonic_us()
        self._is_lent = True
        self._lock.release()
        try:
            try:
                self._is_loading = True  # from here on the signal handler may raise
                if self._stop_requested:  # it came before that
                    raise SystemExit(0)
                self._container.load(self._settings)
                self._container.warm_up()
            finally:
                self._is_loading = False  # until here: what it raises is caught below
        except SystemExit as error:
            reason = "stopped while loading" if self._stop_requested else f"the model called exit({error.code})"
            self._session.exit = Exit(exits.EXIT_DONE if self._stop_requested else exits.EXIT_MODEL, reason)
        except (Exception, FatalError) as error:
            logger.exception("the model cannot be loaded")
            reason = f"the model cannot be loaded: {type(error).__name__}: {error}"
            self._session.exit = Exit(exits.EXIT_MODEL, reason)
        finally:
            self._lock.acquire()
            self._is_lent = False
        if self._session.exit is None:
            logger.info("model loaded in %.2f s", (monotonic_us() - started_us) / 1e6)
            self._session.loaded(monotonic_us())
        else:
            self._session.leave(monotonic_us())
        self._flush()

    def _take_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_signal)
            signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Ask for the end. Runs on the main thread between two instructions, or inside ``receive``, which then goes on.

        In a hurry that ``receive`` still returns a message that is there, whole, and otherwise gives up at once; while
        the connection is lent it must not be touched, and need not be.
        """
        if self._stop_requested:
            return
        self._stop_requested = True
        if self._is_loading:
            raise SystemExit(0)
        if not self._is_lent and self._connection is not None:
            self._connection.hurry()

    # -- keeper thread -------------------------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        while not self._ended.wait(self._keeper_pause_s()):
            if not self._lock.acquire(blocking=False):
                continue  # the main thread is at the connection and sees to it all itself
            try:
                if not self._ended.is_set():
                    while (frames := self._receive(wait=False)) is not None:
                        self._session.receive(frames, monotonic_us())
                    if self._stop_requested and not self._is_loading:
                        self._begin_stop()  # already now, so that no batch is sent ahead any more
                    self._tick()
            finally:
                self._lock.release()

    def _keeper_pause_s(self) -> float:
        connection = self._connection
        if connection is not None and not connection.is_open:
            return (
                RECONNECT_INTERVAL_MS / 1000
            )  # a model that loads or computes for long is registered soon all the same
        return self._wake_ms / 1000

    # -- whoever holds the lock ----------------------------------------------------------------------------------

    @property
    def _owned(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the connection is closed")
        return self._connection

    def _connect(self) -> None:
        address = self._addresses[self._next_address % len(self._addresses)]
        self._next_address += 1
        self._is_stuck = False
        self._connection = connect(address, self._wake_ms, self._settings.keys)
        self._begin_session(self._connection)

    def _begin_session(self, connection: Connection) -> None:
        """Start over with whoever is at the other end now, or will be: nothing said before counts any more."""
        self._generation = connection.generation
        self._session.connect(monotonic_us())
        self._flush()

    def _close(self, flush_us: int) -> None:
        connection, self._connection = self._connection, None  # first, because a signal may come between the two
        if connection is not None:
            connection.close(flush_us)

    def _tick(self) -> None:
        self._session.tick(monotonic_us())
        if self._session.exit is None and (self._session.wants_reconnect or self._is_stuck):
            logger.warning("the frontend %s: connecting afresh", "does not read" if self._is_stuck else "is silent")
            self._close(0)
            self._connect()
        else:
            self._flush()

    def _receive(self, *, wait: bool) -> list[Frame] | None:
        """Return one whole message, or None; if it may wait, then for up to ``_wake_ms``."""
        connection = self._owned
        frames = connection.receive(wait)
        if frames is None and connection.generation != self._generation and self._session.exit is None:
            self._begin_session(connection)
        return frames

    def _flush(self) -> None:
        for message in self._session.take_outbox():
            self._send(message)

    def _send(self, message: list[Any]) -> None:
        """Send, unless nobody reads: then the session starts over on another connection, and this is forgotten."""
        if self._is_stuck:
            return
        try:
            self._owned.send(message)
        except FrontendStuckError:
            self._is_stuck = True


def _start_logging(log: exits.LogSettings, process: str, constants: Mapping[str, str]) -> None:
    """Log to stderr; a program that has set up its own logging before it calls `serve` keeps that."""
    if all(isinstance(handler.formatter, log_lines.LineFormatter) for handler in logging.getLogger().handlers):
        log_lines.start_logging(log.form, log.level, process, constants=constants)


def serve(container: ModelContainer) -> NoReturn:
    """Run a container as this process: settings from the environment, logs to stderr, exit code when it is done."""
    _start_logging(exits.LogSettings(), os.environ.get("CLIPPER_REPLICA_ID") or "container", {})
    try:
        log = exits.LogSettings.from_environment()
        _start_logging(log, os.environ.get("CLIPPER_REPLICA_ID") or "container", {})
        settings = ContainerSettings.from_environment()
    except SettingsError as error:
        logger.error("exit %d: %s", exits.EXIT_SETTINGS, error)
        sys.exit(exits.EXIT_SETTINGS)
    model = f"{settings.model}:{settings.version}"
    _start_logging(log, settings.replica_id, {"replica_id": settings.replica_id, "model": model})
    sys.exit(ContainerLoop(container, settings).run())
