"""BitTorrent v2 (BEP 52) for the files and mutable items of the DHT (BEP 44) for the manifests, by libtorrent.

The torrent follows from the signed manifest alone, so nothing that describes it comes from a stranger; a piece that is wrong is thrown away by libtorrent, and
the file is hashed again from end to end before anything opens it (shelf.py). Nobody is asked or told anything but those whom the user names.

A peer that lies can end the process in which libtorrent runs. So it runs in one of its own, `python -m fable6c.sharing.bittorrent`, which only peer.py starts.
That process reads requests from standard input and answers on standard output, a line of JSON each, and ends when its input does. It knows no secret key.
"""

import contextlib
import hashlib
import ipaddress
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Callable, Optional

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.sharing.dht import Address, Item, item_bytes, keep, parse_item
from fable6c.sharing.manifest import BLOCK, Manifest

MAX_PIECES = 2048  # a piece doubles while there would be more
WAIT = 0.05  # seconds between looks at what libtorrent reports
RETRY = 0.5  # seconds until the DHT is asked again
RESUME = "resume"  # beside an unfinished file: which of its pieces are right
SAVE_SECONDS = 1.0  # between two saves of it: what is lost if libtorrent ends
TOLD_SECONDS = 1.0  # at most, until the other process hears again how much has come
END_SECONDS = 20.0  # for saving, after the other process has gone
MAX_LINE = 1 << 20  # bytes of a request or an answer
PUBLIC_NODES = "dht.libtorrent.org:25401"
LACKING = (
    "libtorrent is not installed, which speaks BitTorrent; run: pip install 'fable6c[exchange]', or give --from with an address or a folder"
)


def library() -> Any:
    """libtorrent. UserError where it is not installed."""
    try:
        import libtorrent
    except ImportError:
        raise UserError(LACKING) from None
    return libtorrent


def piece_length(size: int) -> int:
    """Of a file of that size: 32 KiB, doubled while it had more than 2,048 pieces. With 16 KiB, where a piece is a block, libtorrent 2.1.1 ends when
    an honest peer rejects what it asks for after a wrong block of a file of one piece (`hash_picker::hashes_rejected`)."""
    length = 2 * BLOCK
    while size > length * MAX_PIECES:
        length *= 2
    return length


def describe(manifest: Manifest) -> dict[bytes, Any]:
    """The info dictionary of the manifest's file (BEP 52); each peer makes the same one."""
    name = manifest.file_name.encode("ascii")
    leaf: dict[bytes, Any] = {b"length": manifest.size, b"pieces root": bytes.fromhex(manifest.root)}
    return {b"file tree": {name: {b"": leaf}}, b"meta version": 2, b"name": name, b"piece length": piece_length(manifest.size)}


def piece_layer(path: str, length: int) -> bytes:
    """The hashes of a file's pieces (BEP 52, "piece layers"), 32 bytes each."""
    with open_file(path) as file:
        hashes = [hashlib.sha256(block).digest() for block in iter(lambda: file.read(BLOCK), b"")]
    pieces = -(-len(hashes) * BLOCK // length)
    hashes += [bytes(32)] * (pieces * (length // BLOCK) - len(hashes))
    while length > BLOCK:
        hashes = [hashlib.sha256(left + right).digest() for left, right in zip(hashes[::2], hashes[1::2])]
        length //= 2
    return b"".join(hashes)


class Gone(Exception):
    """The process that asked has ended, or asks no more."""


class Session:
    """A session of libtorrent; the arguments are those of `Peer` (peer.py)."""

    def __init__(self, listen: Address, up: int = 0, down: int = 0, nodes: Sequence[Address] = (), public: bool = False, dht: bool = False):
        self.lt = lt = library()
        self.host, self.nodes = listen[0], list(nodes)
        kinds = lt.alert.category_t
        near = not ipaddress.ip_address(listen[0]).is_global
        settings = {
            "listen_interfaces": f"[{listen[0]}]:{listen[1]}" if ":" in listen[0] else f"{listen[0]}:{listen[1]}",
            "max_retry_port_bind": 0, "listen_system_port_fallback": False,
            "user_agent": "fable6c", "alert_mask": kinds.status_notification | kinds.error_notification | kinds.storage_notification | kinds.dht_notification,
            "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False, "enable_dht": bool(nodes) or public or dht,
            "dht_bootstrap_nodes": ",".join([f"{host}:{port}" for host, port in nodes] + [PUBLIC_NODES] * public),
            "download_rate_limit": down, "upload_rate_limit": up, "unchoke_slots_limit": 8 if up else 0, "allowed_fast_set_size": 0,
            "connections_limit": 64, "max_peerlist_size": 500, "dht_upload_rate_limit": 8000,
            # Who comes back after its process ended is refused by uTP for a minute, as its own double: the other side does not see that it was gone.
            "enable_outgoing_utp": False,
            # Within one network many have one address, and few have one that the DHT calls verified.
            "allow_multiple_connections_per_ip": near, "dht_restrict_routing_ips": not near, "dht_restrict_search_ips": not near,
            "dht_ignore_dark_internet": not near, "dht_prefer_verified_node_ids": not near,
        }  # fmt: skip
        self.session = lt.session(settings)
        everybody = lt.ip_filter()  # in the class that the limits are of: else they do not hold for peers of the local network
        for first, last in (("0.0.0.0", "255.255.255.255"), ("::", "ffff:" * 7 + "ffff")):
            everybody.add_rule(first, last, 1 << lt.session.global_peer_class_id)
        self.session.set_peer_class_filter(everybody)
        self.here: list[Address] = []  # of 0.0.0.0 the addresses of this machine

        def listens(alert: Any) -> bool:
            if isinstance(alert, lt.listen_succeeded_alert) and (alert.address, alert.port) not in self.here:
                self.here.append((alert.address, alert.port))
            return isinstance(alert, lt.listen_failed_alert)

        failed = None
        while failed is None and not self.here:
            failed = self._wait_for(listens, WAIT)
        if failed is not None:
            raise UserError(
                f"--listen {listen[0]}:{listen[1]}: cannot be used ({failed.error.message()}); give an address of this machine and a free port"
            )
        self.port: int = self.session.listen_port()

    def seed(self, manifest: Manifest, path: str) -> None:
        """Offer a manifest's file, which lies at `path` under its `file_name`, until the session ends."""
        info = describe(manifest)
        torrent: dict[bytes, Any] = {b"info": info, b"piece layers": {}}
        if manifest.size > info[b"piece length"]:
            try:
                layer = piece_layer(path, info[b"piece length"])
            except OSError as error:
                raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
            torrent[b"piece layers"] = {bytes.fromhex(manifest.root): layer}
        parameters = self.lt.load_torrent_buffer(self.lt.bencode(torrent))
        parameters.save_path = os.path.dirname(os.path.abspath(path))
        self._add(parameters)

    def fetch(self, manifest: Manifest, folder: str, peers: Iterable[Address], seconds: float, told: Callable[[int], None]) -> None:
        """Bring a manifest's file into `folder`; `told` hears how many bytes are there, and raises Gone if nobody wants it any more. UserError if it is
        not there after `seconds`. What came stays for the next try."""
        lt, resume = self.lt, os.path.join(folder, RESUME)
        parameters = self._resumed(manifest, resume) or lt.load_torrent_buffer(lt.bencode({b"info": describe(manifest)}))
        parameters.save_path = os.path.abspath(folder)
        torrent = self._add(parameters)
        try:
            self._download(torrent, list(peers), seconds, told, manifest, resume)
        except (UserError, Gone):
            with contextlib.suppress(UserError, OSError):
                self._save(torrent, resume)
            self.session.remove_torrent(torrent)
            raise
        # At the end of a download the file may not be on the disk yet.
        torrent.flush_cache()
        self._wait_for(lambda alert: isinstance(alert, lt.cache_flushed_alert) and alert.handle == torrent, seconds)
        self.session.remove_torrent(torrent)
        self._wait_for(lambda alert: isinstance(alert, lt.torrent_removed_alert), seconds)
        with contextlib.suppress(FileNotFoundError):
            os.remove(resume)

    def get(self, key: bytes, name: str, seconds: float) -> list[Item]:
        """What the DHT has as the newest item of a series, unchecked, each different value once; nothing if it has none after `seconds`."""
        lt, ends = self.lt, time.monotonic() + seconds
        found: dict[bytes, Item] = {}
        salt = name.encode("ascii")

        def heard(alert: Any) -> bool:
            if not isinstance(alert, lt.dht_mutable_item_alert) or (bytes(alert.key), alert.salt) not in ((key, salt), (key, name)):
                return False
            if isinstance(alert.item, bytes) and alert.item:
                found[alert.item] = Item(key, salt, alert.item, int(alert.seq), bytes(alert.signature))
            return bool(alert.authoritative)

        while not found and time.monotonic() < ends:
            self.session.dht_get_mutable_item(key, salt)
            self._wait_for(heard, ends - time.monotonic())
            if not found:
                time.sleep(RETRY)  # it has not joined yet, or the manifest is not there yet
        return list(found.values())

    def keep(self, item: Item) -> int:
        """Store an item in the DHT; returns how many of its members took it."""
        return keep(item, self.nodes, self.host, self.lt, mine=self.here)

    def _add(self, parameters: Any) -> Any:
        flags = self.lt.torrent_flags
        parameters.flags = parameters.flags & ~flags.auto_managed & ~flags.paused | flags.disable_lsd | flags.disable_pex
        return self.session.add_torrent(parameters)

    def _resumed(self, manifest: Manifest, path: str) -> Optional[Any]:
        try:
            with open_file(path) as file:
                parameters = self.lt.read_resume_data(file.read())
        except (OSError, RuntimeError, UserError):
            return None
        wanted = hashlib.sha256(self.lt.bencode(describe(manifest))).digest()
        return parameters if parameters.info_hashes.v2.to_bytes() == wanted and parameters.ti is not None else None

    def _download(
        self, torrent: Any, peers: Sequence[Address], seconds: float, told: Callable[[int], None], manifest: Manifest, resume: str
    ) -> None:
        started = saved = asked = time.monotonic()
        told_at, told_of = 0.0, 0
        while True:
            status, now = torrent.status(), time.monotonic()
            if status.errc.value():
                raise UserError(
                    f"{manifest.file_name}: cannot be written ({status.errc.message()}); free some space and give the same command again"
                )
            done = status.total_done
            if done != told_of or now - told_at >= TOLD_SECONDS:
                told_at, told_of = now, done
                told(done)
            if status.is_seeding:
                return
            if now - started > seconds:
                raise UserError(
                    f"{manifest.file_name}: {done:,} of {manifest.size:,} bytes came until the time was over (--minutes); the same command goes "
                    "on from there (others to ask: --peer, --from)"
                )
            if now - asked >= 1.0 or asked == started:
                asked = now
                for address in peers:
                    torrent.connect_peer(address)
            if now - saved >= SAVE_SECONDS and done:
                saved = now
                self._save(torrent, resume)
            self.session.pop_alerts()  # nobody waits for them
            time.sleep(WAIT)

    def _save(self, torrent: Any, path: str) -> None:
        lt = self.lt
        torrent.save_resume_data(lt.save_resume_flags_t.flush_disk_cache | lt.save_resume_flags_t.save_info_dict)
        kinds = (lt.save_resume_data_alert, lt.save_resume_data_failed_alert)
        found = self._wait_for(lambda alert: isinstance(alert, kinds), 10.0)
        if isinstance(found, lt.save_resume_data_alert):
            atomic_write(path, lt.write_resume_data_buf(found.params))

    def _wait_for(self, wanted: Callable[[Any], bool], seconds: float) -> Optional[Any]:
        """The first alert that is wanted; None after `seconds`."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            # An alert is only there until the next ones are asked for.
            for alert in self.session.pop_alerts():
                if wanted(alert):
                    return alert
            self.session.wait_for_alert(int(1000 * WAIT))
        return None


# ---- the process of its own


def limit() -> None:
    """Of this process: no core file, and no program that it could start has more rights than it."""
    with contextlib.suppress(ImportError):  # Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        no_new_privileges = 38  # <linux/prctl.h>
        ctypes.CDLL(None).prctl(no_new_privileges, 1, 0, 0, 0)


def read_lines(stream: BinaryIO, lines: "queue.Queue[Optional[bytes]]") -> None:
    """Put what comes into the queue line by line, and None at its end; a line that is too long is the end too."""
    with contextlib.suppress(OSError), stream:
        for line in iter(lambda: stream.readline(MAX_LINE), b""):
            if not line.endswith(b"\n"):
                break
            lines.put(line)
    lines.put(None)


class Requests:
    """What the other process asks for, and the way to answer it. When that has gone, this one ends, at once but in a download: then what came is saved."""

    def __init__(self) -> None:
        self.lines: queue.Queue[Optional[bytes]] = queue.Queue()
        self.fetching = self.over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        read_lines(sys.stdin.buffer, self.lines)
        self.over = True
        if self.fetching:
            time.sleep(END_SECONDS)
        os._exit(0)

    def next(self) -> list:
        """The next request: the name of a method and its arguments."""
        line = self.lines.get()
        if line is None:
            raise Gone
        request: list = json.loads(line)
        return request

    def answer(self, **said: Any) -> None:
        if self.over:
            raise Gone
        try:
            sys.stdout.buffer.write(json.dumps(said).encode("ascii") + b"\n")
            sys.stdout.buffer.flush()
        except OSError:
            raise Gone from None


def do(session: Session, requests: Requests, method: str, arguments: dict[str, Any]) -> Any:
    """What a request's answer holds."""
    requests.fetching = method == "fetch"
    if "manifest" in arguments:
        arguments["manifest"] = Manifest(**arguments["manifest"])
    if method == "seed":
        return session.seed(**arguments)
    if method == "fetch":
        arguments["peers"] = [tuple(address) for address in arguments["peers"]]
        return session.fetch(**arguments, told=lambda done: requests.answer(done=done))
    if method == "get":
        return [item_bytes(item).hex() for item in session.get(bytes.fromhex(arguments["key"]), arguments["name"], arguments["seconds"])]
    item = parse_item(bytes.fromhex(arguments["item"]))
    assert method == "keep" and item is not None
    return session.keep(item)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the other process, and the end of the input this one
    limit()
    requests = Requests()
    try:
        _, settings = requests.next()
        listen, nodes = tuple(settings.pop("listen")), [tuple(node) for node in settings.pop("nodes")]
        session = Session(listen, nodes=nodes, **settings)
        requests.answer(value=session.port)
        while True:
            method, arguments = requests.next()
            try:
                requests.answer(value=do(session, requests, method, arguments))
            except UserError as error:
                requests.answer(refused=str(error))
    except Gone:
        pass
    except UserError as error:
        requests.answer(refused=str(error))
    except Exception:
        requests.answer(bug=traceback.format_exc())
    finally:
        os._exit(0)  # the session would take its time to end


if __name__ == "__main__":
    main()
