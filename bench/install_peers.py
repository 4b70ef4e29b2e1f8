"""Install each peer that the benchmark compares with into a virtual environment of its own.

`python -m bench.install_peers` makes `bench/.peers/<name>` for every peer, or for those that are named. A peer that
is there already, with what this file asks for, is left alone; `--again` makes it anew. What cannot be installed is kept
with its reason, which the comparison repeats. nginx, wrk and Java are not Python packages: they are looked for, and the
line that installs them is printed when they are missing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS_DIR = Path(__file__).resolve().parent / ".peers"

# The same libraries everywhere: a model must cost the same in each server.
MODEL_REQUIREMENTS = ("numpy>=2,<3", "scikit-learn>=1.5,<2", "lightgbm>=4.5,<5", "onnxruntime>=1.20,<2")


@dataclass(frozen=True)
class Peer:
    """What pip installs for one peer, and about how much it downloads.

    Parameters
    ----------
    requirements : tuple of str
        For pip; versions are held within what the peer's settings in `bench/subjects` were chosen for.
    without_dependencies : tuple of str
        Installed alone: their dependencies are not needed by the part that we run.
    """

    name: str
    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    download_mb: int = 100


PEERS = (
    Peer("granian", ("granian>=2,<3", "uvloop", "orjson", *MODEL_REQUIREMENTS)),
    Peer("blacksheep", ("blacksheep>=2,<3", "uvicorn", "uvloop", "httptools", "orjson", *MODEL_REQUIREMENTS)),
    Peer("fastapi", ("fastapi>=0.115", "uvicorn", "uvloop", "httptools", "orjson", *MODEL_REQUIREMENTS)),
    Peer("mosec", ("mosec==0.9.8", "orjson", *MODEL_REQUIREMENTS)),
    # Of the wheel only the server binary and its Python backend are used, not the client libraries. That backend is
    # built for numpy 1: with numpy 2 it sends outputs of a wrong size.
    Peer(
        "triton",
        ("numpy<2", *MODEL_REQUIREMENTS[1:]),
        without_dependencies=("nvidia-pytriton==0.7.0",),
        download_mb=240,
    ),
    Peer("bentoml", ("bentoml>=1.4,<1.5", *MODEL_REQUIREMENTS), download_mb=150),
    Peer("litserve", ("litserve>=0.2.19,<0.3", "pyzmq", "orjson", *MODEL_REQUIREMENTS)),
    Peer("mlserver", ("mlserver>=1.7,<1.8", *MODEL_REQUIREMENTS), download_mb=150),
    Peer("rayserve", ("ray[serve]>=2.50,<3", "orjson", *MODEL_REQUIREMENTS), download_mb=250),
    # Its models here need no PyTorch; the server itself is Java.
    Peer(
        "torchserve",
        ("psutil", "requests", "packaging", "pyyaml", "pillow", "orjson", *MODEL_REQUIREMENTS),
        without_dependencies=("torchserve==0.12.0",),
        download_mb=140,
    ),
    Peer("uvloop", ("uvloop", "httptools"), download_mb=5),
    Peer("zeromq", ("pyzmq",), download_mb=2),
)

DEBIAN_TOOLS = {"nginx": "nginx-light", "wrk": "wrk", "g++": "g++", "java": "openjdk-17-jre-headless"}
REASON_LIMIT = 300  # characters of pip's last words


def peer_python(name: str) -> Path:
    """Path of the interpreter in a peer's environment, whether or not it has been installed."""
    return PEERS_DIR / name / "bin" / "python"


def is_installed(name: str) -> bool:
    """Whether the installation of this peer ran to its end."""
    return (PEERS_DIR / name / "installed").exists()


def why_not_installed(name: str) -> str | None:
    """Tell why a peer is not there and what installs it; None if it is."""
    if is_installed(name):
        return None
    line = f"python -m bench.install_peers {name}"
    failure = _failure_file(name)
    if failure.exists():
        return f"cannot be installed: {failure.read_text(encoding='utf-8').strip()}; to try again: {line}"
    return f"not installed: {line}"


def _failure_file(name: str) -> Path:
    return PEERS_DIR / f"{name}.failed"


def missing_tools() -> dict[str, str]:
    """The Debian packages of the tools that are not on this machine, by tool."""
    return {
        tool: package
        for tool, package in DEBIAN_TOOLS.items()
        if shutil.which(tool) is None and not Path("/usr/sbin", tool).exists()
    }


def install(peer: Peer, again: bool) -> str | None:
    """Install one peer, or what it lacks; the reason when that fails, else None."""
    home, mark = PEERS_DIR / peer.name, PEERS_DIR / peer.name / "installed"
    wanted = "\n".join([*peer.requirements, *peer.without_dependencies]) + "\n"
    if not again and mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return None
    if again or not mark.exists():  # an unfinished environment is no ground to build on
        shutil.rmtree(home, ignore_errors=True)
    reason = _run_steps(_steps(peer, home))
    failure = _failure_file(peer.name)
    if reason is None:
        mark.write_text(wanted, encoding="utf-8")
        failure.unlink(missing_ok=True)
    else:
        mark.unlink(missing_ok=True)
        failure.write_text(reason + "\n", encoding="utf-8")
    return reason


def _steps(peer: Peer, home: Path) -> list[list[str]]:
    pip = [str(peer_python(peer.name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [] if peer_python(peer.name).exists() else [[sys.executable, "-m", "venv", str(home)]]
    steps.append([*pip, *peer.requirements])
    if peer.without_dependencies:
        steps.append([*pip, "--no-deps", *peer.without_dependencies])
    return steps


def _run_steps(steps: list[list[str]]) -> str | None:
    PEERS_DIR.mkdir(parents=True, exist_ok=True)
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            return (lines[-1] if lines else f"{step[0]} ended with {done.returncode}")[:REASON_LIMIT]
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
