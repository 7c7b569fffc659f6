"""BitTorrent and its DHT for this process: `Peer` asks a process of its own (bittorrent.py), which talks to strangers and may be ended by one that lies.

    with Peer(("127.0.0.1", 0)) as peer:
        path = peer.fetch(manifest, folder, [("192.168.1.7", 7000)], 600.0)

What that process answers is judged as a stranger's word is: nothing of it is executed or unpickled, and the file that came is hashed again by who asked (shelf.py).
"""

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable, Optional, TypeVar

from fable6c.errors import UserError
from fable6c.progress import Progress
from fable6c.sharing.bittorrent import END_SECONDS, read_lines
from fable6c.sharing.dht import Address, Item, item_bytes, parse_item
from fable6c.sharing.manifest import Manifest

PROGRAM = ["-m", "fable6c.sharing.bittorrent"]
# Python looks for the package there first: it is this one that runs, and none that lies in the current folder.
PLACE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SILENT_SECONDS = 120.0  # without a word where each second has one, else more than what was asked for may take: then it hangs
KEEP_SECONDS = 30.0
CLOSING_SECONDS = 5.0  # from the end of what a process says to its own
RESTARTS = 20  # in one fetch or search
Found = TypeVar("Found")


class Ended(UserError):
    """The process of libtorrent has ended, or could not be started again. The next request starts a new one."""


class Peer:
    """A session of libtorrent in a process of its own, which ends with this one, however this one ends.

    listen     address and port of this machine; port 0 takes any
    up, down   bytes a second; up 0 uploads nothing, down 0 is without a limit
    nodes      members of the DHT to begin at; with none and not `public` there is no DHT
    public     begin at the public DHT's bootstrap nodes
    dht        take part in the DHT even so: others begin here
    """

    def __init__(self, listen: Address, up: int = 0, down: int = 0, nodes: Sequence[Address] = (), public: bool = False, dht: bool = False):
        self.settings = {"listen": listen, "up": up, "down": down, "nodes": list(nodes), "public": public, "dht": dht}
        self.host, self.port = listen
        self.items: dict[bytes, Item] = {}
        self.crashes = 0
        self.child: Optional[subprocess.Popen] = None
        self._start()

    def _start(self) -> None:
        command = [sys.executable, *PROGRAM]
        self.child = subprocess.Popen(command, cwd=PLACE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines: queue.Queue[Optional[bytes]] = queue.Queue(1000)
        threading.Thread(target=read_lines, args=(self.child.stdout, self.lines), daemon=True).start()
        try:
            self.port = self._request(int, "start", self.settings)
            self.settings["listen"] = self.host, self.port  # a new one is where the old one was
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process. What was open is closed when this returns."""
        child, self.child = self.child, None
        if child is None:
            return
        assert child.stdin is not None
        try:
            with contextlib.suppress(OSError):
                child.stdin.close()
            child.wait(END_SECONDS)  # it saves what came
        except subprocess.TimeoutExpired:
            pass
        finally:
            child.kill()
            child.wait()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def check(self) -> None:
        """Ended, if the process has ended since it was asked for something."""
        if self.child is not None and self.child.poll() is not None:
            raise self._ended()

    def seed(self, manifest: Manifest, path: str) -> None:
        """Offer a manifest's file, which lies at `path` under its `file_name`, until the process ends."""
        self._ask(bool, "seed", {"manifest": dataclasses.asdict(manifest), "path": os.path.abspath(path)})

    def fetch(self, manifest: Manifest, folder: str, peers: Iterable[Address], seconds: float, progress: bool = True) -> str:
        """Bring a manifest's file into `folder`; returns its path. UserError if it is not there after `seconds`; what came stays for the next try."""
        wanted = {"manifest": dataclasses.asdict(manifest), "folder": os.path.abspath(folder), "peers": list(peers)}

        def once(left: float) -> None:
            with Progress(manifest.file_name, manifest.size, "bytes", progress) as shown:
                self._ask(bool, "fetch", {**wanted, "seconds": left}, left, lambda done: shown.add(done - shown.done))

        self._persist(once, seconds, progress)
        return os.path.join(folder, manifest.file_name)

    def get(self, key: str, name: str, seconds: float, progress: bool = True) -> list[bytes]:
        """What the DHT has as the newest manifest of a series, unchecked, each different value once; nothing if it has none after `seconds`. `items` has
        what their putter signed."""

        def read(answer: Any) -> dict[bytes, Item]:
            items = [parse_item(bytes.fromhex(text)) for text in answer]
            return {item.value: item for item in items if item is not None and (item.key.hex(), item.salt.decode()) == (key, name)}

        found = self._persist(lambda left: self._ask(read, "get", {"key": key, "name": name, "seconds": left}, left), seconds, progress)
        self.items.update(found)
        return list(found)

    def keep(self, item: Item) -> int:
        """Store an item in the DHT; returns how many of its members took it."""
        return self._ask(int, "keep", {"item": item_bytes(item).hex()}, KEEP_SECONDS)

    def _persist(self, once: Callable[[float], Found], seconds: float, say: bool) -> Found:
        """What `once(seconds that are left)` returns; again where the process ended, at most RESTARTS times."""
        ends, restarts = time.monotonic() + seconds, 0
        while True:
            try:
                return once(max(0.0, ends - time.monotonic()))
            except Ended as error:
                if restarts == RESTARTS or time.monotonic() >= ends:
                    raise Ended(
                        f"{error}; the same command goes on from what came, and --from with an address or a folder asks no peer"
                    ) from None
                restarts += 1
                if say:
                    print(f"{error}; it is started again and goes on", file=sys.stderr, flush=True)

    def _ask(
        self, read: Callable[[Any], Found], method: str, arguments: dict[str, Any], seconds: float = 0.0, told: Optional[Callable[[int], None]] = None
    ) -> Found:  # fmt: skip
        """The answer to a request, as `read` reads it; `told` hears what comes before. UserError if it is refused, Ended if the process ends or hangs."""
        if self.child is None:
            try:
                self._start()
            except UserError as error:
                raise Ended(str(error)) from None
        try:
            return self._request(read, method, arguments, seconds, told)
        except UserError:
            raise
        except BaseException:  # Ctrl-C: its answer must not be taken for that of another request
            self.close()
            raise

    def _request(
        self, read: Callable[[Any], Found], method: str, arguments: dict[str, Any], seconds: float = 0.0, told: Optional[Callable[[int], None]] = None
    ) -> Found:  # fmt: skip
        assert self.child is not None and self.child.stdin is not None
        with contextlib.suppress(OSError):  # if it has ended: that is heard below
            self.child.stdin.write(json.dumps([method, arguments]).encode("ascii") + b"\n")
            self.child.stdin.flush()
        ends = time.monotonic() + seconds + SILENT_SECONDS
        while True:
            left = ends - time.monotonic()
            try:
                line = self.lines.get(timeout=max(0.0, left if told is None else min(left, SILENT_SECONDS)))
            except queue.Empty:
                raise self._ended("does not answer") from None
            if line is None:
                raise self._ended()
            try:
                ((kind, said),) = json.loads(line).items()
                if kind == "value":
                    return read(said)
                done = int(said) if kind == "done" else 0
            except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
                raise self._ended("answers nothing that makes sense") from None
            if kind != "done":
                raise (RuntimeError if kind == "bug" else UserError)(str(said))
            if told is not None:
                told(done)

    def _ended(self, why: str = "") -> Ended:
        """What is said of a process that has ended, or that does not do what it should: then it is ended here."""
        child, self.child = self.child, None
        assert child is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0 if why else CLOSING_SECONDS)
        child.kill()
        status = child.wait()
        self.crashes += 1
        if not why:
            name = next((one.name for one in signal.Signals if one == -status), f"signal {-status}")
            why = f"was ended by {name}" if status < 0 else f"ended with status {status:#x}"
        return Ended(f"libtorrent {why}, which a peer that lies can bring about; nothing of it was accepted")
