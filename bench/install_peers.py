"""Install each peer that the benchmark compares with into a virtual environment of its own.

`python -m bench.install_peers` makes `bench/.peers/<name>` for every peer, or for those that are named. A peer that
is there already is left alone; `--again` makes it anew. nginx and wrk are not Python packages: they are looked for,
and the line that installs them is printed when they are missing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS_DIR = Path(__file__).resolve().parent / ".peers"

# The same numpy and scikit-learn everywhere: the model must cost the same in each server.
MODEL_REQUIREMENTS = ("numpy>=2,<3", "scikit-learn>=1.5,<2")


@dataclass(frozen=True)
class Peer:
    """What pip installs for one peer, and about how much it downloads."""

    name: str
    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()  # their dependencies are not needed by the part that we run
    download_mb: int = 100


PEERS = (
    Peer("granian", ("granian>=2,<3", "uvloop", "orjson", *MODEL_REQUIREMENTS)),
    Peer("blacksheep", ("blacksheep>=2,<3", "uvicorn", "uvloop", "httptools", "orjson", *MODEL_REQUIREMENTS)),
    Peer("mosec", ("mosec==0.9.8", "orjson", *MODEL_REQUIREMENTS)),
    # Of the wheel only the server binary and its Python backend are used, not the client libraries. That backend is
    # built for numpy 1: with numpy 2 it sends outputs of a wrong size.
    Peer(
        "triton",
        ("numpy<2", "scikit-learn>=1.5,<2"),
        without_dependencies=("nvidia-pytriton==0.7.0",),
        download_mb=150,
    ),
)

DEBIAN_TOOLS = {"nginx": "nginx-light", "wrk": "wrk", "g++": "g++"}


def peer_python(name: str) -> Path:
    """Path of the interpreter in a peer's environment, whether or not it has been installed."""
    return PEERS_DIR / name / "bin" / "python"


def is_installed(name: str) -> bool:
    """Whether the installation of this peer ran to its end."""
    return (PEERS_DIR / name / "installed").exists()


def missing_tools() -> dict[str, str]:
    """The Debian packages of the tools that are not on this machine, by tool."""
    return {
        tool: package
        for tool, package in DEBIAN_TOOLS.items()
        if shutil.which(tool) is None and not Path("/usr/sbin", tool).exists()
    }


def install(peer: Peer, again: bool) -> str | None:
    """Install one peer; the reason when that fails, else None."""
    home = PEERS_DIR / peer.name
    if is_installed(peer.name) and not again:
        return None
    shutil.rmtree(home, ignore_errors=True)
    pip = [str(peer_python(peer.name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[sys.executable, "-m", "venv", str(home)], [*pip, *peer.requirements]]
    if peer.without_dependencies:
        steps.append([*pip, "--no-deps", *peer.without_dependencies])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return lines[-1] if lines else f"{step[0]} ended with {done.returncode}"
    (home / "installed").touch()
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.install_peers", description=__doc__)
    known = [peer.name for peer in PEERS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--again", action="store_true", help="install again what is there already")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no peer called {', '.join(unknown)}; there are {', '.join(known)}")
    failures = 0
    chosen = [peer for peer in PEERS if not options.names or peer.name in options.names]
    for position, peer in enumerate(chosen, start=1):
        say(f"[{position}/{len(chosen)}] {peer.name}: about {peer.download_mb} MB to download ...")
        reason = install(peer, options.again)
        say(f"[{position}/{len(chosen)}] {peer.name}: {'installed' if reason is None else 'NOT installed: ' + reason}")
        failures += reason is not None
    for tool, package in missing_tools().items():
        say(f"{tool} is missing: apt-get install -y --no-install-recommends {package}")
        failures += 1
    return 1 if failures else 0


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
