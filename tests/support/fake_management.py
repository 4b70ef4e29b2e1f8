"""A stand-in for management: serves /healthz, and has the containers of ``<run_dir>/containers.json`` started.

Commands and events are those of `clipper.supervisor.containers`; every event is appended to ``events.jsonl``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
from pathlib import Path


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--management-fd", type=int)
    parser.add_argument("--supervisor-fd", type=int)
    options = parser.parse_args()
    run_dir: Path = options.run_dir
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)

    async def serve_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    await asyncio.start_server(serve_http, sock=socket.socket(fileno=options.management_fd))
    supervisor = socket.socket(fileno=options.supervisor_fd)
    reader, writer = await asyncio.open_connection(sock=supervisor)
    containers = run_dir / "containers.json"
    for command in json.loads(containers.read_text()) if containers.exists() else []:
        writer.write(json.dumps(command).encode() + b"\n")

    async def note_events() -> None:
        while line := await reader.readline():
            with (run_dir / "events.jsonl").open("ab") as file:
                file.write(line)

    notes = asyncio.create_task(note_events())
    await stopped.wait()
    with (run_dir / "ended.txt").open("a") as file:
        file.write("management\n")
    notes.cancel()


if __name__ == "__main__":
    asyncio.run(main())
