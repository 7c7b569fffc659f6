"""Machines that work together by Ray: the token, Ray on this machine, a connection, and `each`, which is `map` over all of them.

Whoever has a cluster's token can run code on its machines, because Ray's own messages are pickled Python (docs/cluster.md, "Safety").
"""

import atexit
import collections
import contextlib
import importlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable

from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_write, make_folder, open_file

FOLDER = os.path.join("~", ".fable6c", "cluster")  # what a machine keeps of its cluster
TOKEN = "token"  # the files in a machine's folder
PROCESS = "process"
ADDRESS = "address"
LOG = "ray.log"
START_SECONDS = 300  # for Ray to start or fail: on a busy machine it takes minutes
MIN_TOKEN, MAX_TOKEN = 32, 256  # characters


def require_ray() -> None:
    """UserError, one line, where Ray is not installed. It is not imported here: that takes seconds, and Ray reads its settings then."""
    if importlib.util.find_spec("ray") is None:
        raise UserError("several machines need Ray (Python 3.10 or newer); pip install 'fable6c[cluster]'")


def ray_module() -> Any:
    """Ray, to be asked for after `use_token`."""
    return importlib.import_module("ray")


# ---- the token


def make_token(folder: str) -> str:
    """The path of the cluster's token, which is made where there is none: 256 bits that only this user can read."""
    path = os.path.join(folder, TOKEN)
    make_folder(folder)
    if not os.path.exists(path):
        old = os.umask(0o077)
        try:
            atomic_write(path, secrets.token_hex(32).encode())
        finally:
            os.umask(old)
    return check_token(folder)


def check_token(folder: str) -> str:
    """The path of the token. UserError where there is none, or what is there can be none."""
    path = os.path.join(folder, TOKEN)
    try:
        with open_file(path) as file:
            text = file.read(MAX_TOKEN + 1).strip()
    except OSError as error:
        raise UserError(
            f"{path}: the cluster's token cannot be read ({error.strerror}); copy this file from the machine of `head`"
        ) from None
    if not MIN_TOKEN <= len(text) <= MAX_TOKEN or not text.isalnum():
        raise UserError(f"{path}: is not a token; copy this file from the machine of `head`")
    return path


def use_token(path: str) -> None:
    """Let Ray in this process and its children use the token, always, and send nothing about its use to anybody. Before Ray is imported."""
    for name in ("RAY_AUTH_TOKEN", "RAY_ADDRESS", "RAY_NAMESPACE"):
        os.environ.pop(name, None)
    os.environ.update(
        RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=os.path.abspath(path), RAY_USAGE_STATS_ENABLED="0",
        RAY_agent_register_timeout_ms=str(1000 * START_SECONDS),
    )  # fmt: skip


# ---- Ray on this machine


# Every port that Ray would choose by lot, as a distance from the first one, so that a firewall can be told which to let through. Ray's agents
# must have theirs beforehand on a busy machine: it gives up after 30 seconds of waiting for what they chose.
PORTS = {
    "node-manager-port": 1, "object-manager-port": 2, "metrics-export-port": 3, "dashboard-agent-grpc-port": 4, "dashboard-agent-listen-port": 5,
    "runtime-env-agent-port": 6, "min-worker-port": 10, "max-worker-port": 99,
}  # fmt: skip
LAST_PORT = max(PORTS.values())


def port_options(first: int) -> list[str]:
    """Ray's options for its ports, of which the first is the one that others join at."""
    return [word for name, distance in PORTS.items() for word in (f"--{name}", str(first + distance))]


def listener() -> str:
    """The path of _listen.c's library, by which Ray listens at one address instead of all; "" where it was not built, as it is for Linux only."""
    found = importlib.util.find_spec("fable6c._listen")
    return (found.origin or "") if found else ""


def listening_at(address: str) -> dict[str, str]:
    """The environment of a process that listens at this address where it would listen at all."""
    before = os.environ.get("LD_PRELOAD", "")
    added = {"LD_PRELOAD": f"{listener()}:{before}".rstrip(":"), "FABLE6C_LISTEN": address} if listener() else {}
    return {**os.environ, **added}


def listen_here(folder: str) -> None:
    """Begin this program anew, once, so that what Ray opens in it listens at the address of this machine's `head` or `join`. Before anything is done."""
    try:
        with open_file(os.path.join(folder, ADDRESS)) as file:
            address = file.read(64).decode("ascii")
    except (OSError, ValueError):
        return
    if listener() and "FABLE6C_LISTEN" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], listening_at(address))


def start_ray(folder: str, address: str, arguments: Sequence[str]) -> subprocess.Popen:
    """`ray start` with these arguments as a child that lives as long as Ray does on this machine, and listens at `address`."""
    program = shutil.which("ray", path=os.path.dirname(sys.executable)) or shutil.which("ray")
    if program is None:
        raise UserError("Ray has no program `ray` beside this Python; pip install 'fable6c[cluster]'")
    command = [program, "start", "--block", "--disable-usage-stats", "--log-color", "false", *arguments]
    log = open(os.path.join(folder, LOG), "wb")
    with log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=listening_at(address)
        )


def started(folder: str) -> bool:
    """Whether Ray's program says that it runs."""
    with open(os.path.join(folder, LOG), "rb") as file:
        return b"Ray runtime started" in file.read()


def too_slow(folder: str) -> bool:
    """Whether Ray's program says that a process of its own was not there in time: on a busy machine the next attempt, with all in memory, may do."""
    with open(os.path.join(folder, LOG), "rb") as file:
        return b"timed out during startup" in file.read()


def why(folder: str) -> str:
    """Why Ray's program ended, as far as what it left in a machine's folder says so."""
    with open(os.path.join(folder, LOG), "rb") as file:
        text = file.read()[-20_000:].decode("utf-8", "replace")
    if "InvalidAuthToken" in text:
        return "the token is not that of the cluster: copy the file `token` from the machine of `head` again"
    errors = re.findall(r"^[\w.]*(?:Error|Exception): (.*)", text, re.M)
    return errors[-1].rstrip(".") if errors else f"see {os.path.join(folder, LOG)}"


def end(process: subprocess.Popen) -> None:
    """End what `start_ray` started, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# ---- the process of a run


def watch(line: str) -> None:
    """Go on in a child, and wait for it here: Ray ends the process that it runs in without a word when the head is gone for a minute. Then a
    UserError says `line`; else this process ends as the child did."""
    if not hasattr(os, "fork"):  # Windows
        return
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        atexit.register(os.write, write, b"!")  # which Ray's way of ending does not run
        return
    os.close(write)
    before = {number: signal.signal(number, lambda number, _: os.kill(child, number)) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells both
    status = os.waitpid(child, 0)[1]
    for number, handler in before.items():
        signal.signal(number, handler)
    with os.fdopen(read, "rb") as pipe:
        if not pipe.read():
            raise UserError(line)
    sys.exit(os.WEXITSTATUS(status))


# ---- a connection


def last_line(error: BaseException) -> str:
    """What an error of Ray's says in the end: it quotes whole tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else type(error).__name__)


def not_local(host: str, named: str) -> None:
    """UsageError for the addresses in whose place Ray asks another one of this machine, where nobody listens; `named`: as a person gave it."""
    if host.strip("[]") in ("127.0.0.1", "::1", "localhost"):
        raise UsageError(
            f"{named}: Ray takes that for this machine's address in its network; give that one, or 127.0.0.2 for this machine alone"
        )


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at HOST:PORT from one of its machines. UserError where that cannot be."""
    not_local(address.rpartition(":")[0], address)
    ray = ray_module()
    try:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False, namespace="fable6c")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        raise UserError(
            f"{address}: no cluster can be reached there from this machine ({last_line(error)}); start `head` or `join` here first, with the same token"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """As `map`, but all processors of the cluster work at it. What a killed process had begun, another does again."""
    ray = ray_module()
    work = ray.remote(num_cpus=1, max_retries=-1)(lambda item: function(item))
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    begun: collections.deque[Any] = collections.deque()
    for item in items:
        begun.append(work.remote(item))
        if len(begun) >= most:
            yield ray.get(begun.popleft())
    while begun:
        yield ray.get(begun.popleft())
