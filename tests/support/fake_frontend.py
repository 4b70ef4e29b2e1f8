"""A stand-in for a frontend worker: serves /healthz on the inherited socket and speaks the control channel.

``--worker N --run-dir D --query-fd F`` as the real one. Replicas announce themselves by files: a container stand-in
writes ``<run_dir>/ready-<replica_id>``, and this process reports it ready. Everything it is told is appended, one
JSON object a line, to ``<run_dir>/told-<worker>.jsonl``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any


class FakeFrontend:
    """One worker."""

    def __init__(self, worker: int, run_dir: Path) -> None:
        self._worker = worker
        self._run_dir = run_dir
        self._reported: set[str] = set()
        self._writer: asyncio.StreamWriter | None = None

    async def serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer any request: 200 with the path and body it got."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")), 0
                )
                body = await reader.readexactly(length)
                asked = json.loads(body) if body else {}
                item: dict[str, Any] = {"query_id": 1, "output": asked.get("input"), "default": False, "model": "m:1"}
                if "input_batch" in asked:
                    item = {"batch_predictions": [{**item, "output": value} for value in asked["input_batch"]]}
                answer = json.dumps(item).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        writer.close()

    async def follow_control_channel(self) -> None:
        """Connect for ever; apply every snapshot."""
        while True:
            with contextlib.suppress(ConnectionError, FileNotFoundError):
                reader, self._writer = await asyncio.open_unix_connection(
                    self._run_dir / "control.sock", limit=16 * 1024 * 1024
                )
                self._reported.clear()
                rpc_address = f"ipc://{self._run_dir}/rpc-{self._worker}.sock"
                self._tell({"type": "hello", "worker": self._worker, "pid": os.getpid(), "rpc_address": rpc_address})
                while line := await reader.readline():
                    self._on_message(json.loads(line))
            self._writer = None
            await asyncio.sleep(0.02)

    async def report_replicas(self) -> None:
        """Look for the files of ready containers."""
        while True:
            for path in self._run_dir.glob("ready-*"):
                replica_id = path.name.removeprefix("ready-")
                if self._writer is not None and replica_id not in self._reported:
                    self._reported.add(replica_id)
                    self._report(replica_id, "ready")
            await asyncio.sleep(0.01)

    def _on_message(self, message: dict[str, Any]) -> None:
        with (self._run_dir / f"told-{self._worker}.jsonl").open("a") as file:
            file.write(json.dumps(message) + "\n")
        match message["type"]:
            case "snapshot":
                refused = any(application["name"] == "refused" for application in message["applications"])
                if refused:
                    self._tell({"type": "apply_failed", "revision": message["revision"], "error": "told to refuse"})
                else:
                    self._tell({"type": "applied", "revision": message["revision"]})
            case "replica_gone":
                # As a real one does: what was reported before this came is taken back.
                if message["replica_id"] in self._reported:
                    self._reported.discard(message["replica_id"])
                    self._report(message["replica_id"], "closed")
                (self._run_dir / f"ready-{message['replica_id']}").unlink(missing_ok=True)
            case "drain_replica":
                (self._run_dir / f"ready-{message['replica_id']}").unlink(missing_ok=True)
                self._report(message["replica_id"], "closed")

    def _report(self, replica_id: str, state: str) -> None:
        name, version, _ = replica_id.split(":")
        self._tell(
            {
                "type": "replica",
                "replica_id": replica_id,
                "model": name,
                "version": version,
                "state": state,
                "reason": "",
            }
        )

    def _tell(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", type=int)
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--query-fd", type=int)
    options = parser.parse_args()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    frontend = FakeFrontend(options.worker, options.run_dir)
    await asyncio.start_server(frontend.serve_http, sock=socket.socket(fileno=options.query_fd))
    tasks = [asyncio.create_task(frontend.follow_control_channel()), asyncio.create_task(frontend.report_replicas())]
    await stopped.wait()
    with (options.run_dir / "ended.txt").open("a") as file:
        file.write("frontend\n")
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
