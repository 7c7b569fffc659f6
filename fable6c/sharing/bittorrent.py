"""BitTorrent v2 (BEP 52) for the files and mutable items of the DHT (BEP 44) for the manifests, by libtorrent.

The torrent follows from the signed manifest alone, so nothing that describes it comes from a stranger; a piece that is wrong is thrown away by libtorrent, and
the file is hashed again from end to end before anything opens it (shelf.py). Nobody is asked or told anything but those whom the user names.
"""

import contextlib
import hashlib
import ipaddress
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable, Optional

from fable6c.errors import UserError
from fable6c.files import atomic_write, open_file
from fable6c.progress import Progress
from fable6c.sharing.dht import Address, Item, keep
from fable6c.sharing.manifest import BLOCK, Manifest, public_key

MAX_PIECES = 2048  # a piece doubles while there would be more
WAIT = 0.05  # seconds between looks at what libtorrent reports
RETRY = 0.5  # seconds until the DHT is asked again
RESUME = "resume"  # beside an unfinished file: which of its pieces are right
SAVE_SECONDS = 5.0
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
    """Of a file of that size: 16 KiB, doubled while it had more than 2,048 pieces."""
    length = BLOCK
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


def expanded(key: bytes) -> bytes:
    """A secret key as libtorrent takes it: 64 bytes (RFC 8032, section 5.1.5, steps 1 and 2)."""
    digest = bytearray(hashlib.sha512(key).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    return bytes(digest)


class Peer:
    """A session of libtorrent.

    listen     address and port of this machine; port 0 takes any
    up, down   bytes a second; up 0 uploads nothing, down 0 is without a limit
    nodes      members of the DHT to begin at; with none and not `public` there is no DHT
    public     begin at the public DHT's bootstrap nodes
    dht        take part in the DHT even so: others begin here
    """

    def __init__(self, listen: Address, up: int = 0, down: int = 0, nodes: Sequence[Address] = (), public: bool = False, dht: bool = False):
        self.lt = lt = library()
        self.host, self.nodes = listen[0], list(nodes)
        self.items: dict[bytes, Item] = {}
        kinds = lt.alert.category_t
        near = not ipaddress.ip_address(listen[0]).is_global
        self.dht = bool(nodes) or public or dht
        settings = {
            "listen_interfaces": f"[{listen[0]}]:{listen[1]}" if ":" in listen[0] else f"{listen[0]}:{listen[1]}",
            "user_agent": "fable6c", "alert_mask": kinds.status_notification | kinds.error_notification | kinds.storage_notification | kinds.dht_notification,
            "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False, "enable_dht": self.dht,
            "dht_bootstrap_nodes": ",".join([f"{host}:{port}" for host, port in nodes] + [PUBLIC_NODES] * public),
            "download_rate_limit": down, "upload_rate_limit": up, "unchoke_slots_limit": 8 if up else 0, "allowed_fast_set_size": 0,
            "connections_limit": 64, "max_peerlist_size": 500, "dht_upload_rate_limit": 8000,
            # Within one network many have one address, and few have one that the DHT calls verified.
            "allow_multiple_connections_per_ip": near, "dht_restrict_routing_ips": not near, "dht_restrict_search_ips": not near,
            "dht_ignore_dark_internet": not near, "dht_prefer_verified_node_ids": not near,
        }  # fmt: skip
        self.session = lt.session(settings)
        everybody = lt.ip_filter()  # in the class that the limits are of: else they do not hold for peers of the local network
        for first, last in (("0.0.0.0", "255.255.255.255"), ("::", "ffff:" * 7 + "ffff")):
            everybody.add_rule(first, last, 1 << lt.session.global_peer_class_id)
        self.session.set_peer_class_filter(everybody)
        failed = self._wait_for(lambda alert: isinstance(alert, lt.listen_failed_alert) or self.session.listen_port() != 0, None)
        if isinstance(failed, lt.listen_failed_alert):
            raise UserError(
                f"--listen {listen[0]}:{listen[1]}: cannot be used ({failed.error.message()}); give an address of this machine and a free port"
            )
        self.port: int = self.session.listen_port()

    def close(self) -> None:
        """End the session. What was open is closed when this returns."""
        for torrent in self.session.get_torrents():
            self.session.remove_torrent(torrent)
        self.session.pause()
        del self.session

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def seed(self, manifest: Manifest, path: str) -> None:
        """Offer a manifest's file, which lies at `path` under its `file_name`, until the session ends."""
        info = describe(manifest)
        torrent: dict[bytes, Any] = {b"info": info, b"piece layers": {}}
        if manifest.size > info[b"piece length"]:
            torrent[b"piece layers"] = {bytes.fromhex(manifest.root): piece_layer(path, info[b"piece length"])}
        parameters = self.lt.load_torrent_buffer(self.lt.bencode(torrent))
        parameters.save_path = os.path.dirname(os.path.abspath(path))
        self._add(parameters)

    def fetch(self, manifest: Manifest, folder: str, peers: Iterable[Address], seconds: float, progress: bool = True) -> str:
        """Bring a manifest's file into `folder`; returns its path. UserError if it is not there after `seconds`; what came stays for the next try."""
        lt, resume = self.lt, os.path.join(folder, RESUME)
        parameters = self._resumed(manifest, resume) or lt.load_torrent_buffer(lt.bencode({b"info": describe(manifest)}))
        parameters.save_path = os.path.abspath(folder)
        torrent = self._add(parameters)
        try:
            with Progress(manifest.file_name, manifest.size, "bytes", progress) as shown:
                self._download(torrent, list(peers), seconds, shown, manifest, resume)
        except BaseException:
            with contextlib.suppress(UserError, OSError):
                self._save(torrent, resume)
            raise
        # At the end of a download the file may not be on the disk yet.
        torrent.flush_cache()
        self._wait_for(lambda alert: isinstance(alert, lt.cache_flushed_alert) and alert.handle == torrent, seconds)
        self.session.remove_torrent(torrent)
        self._wait_for(lambda alert: isinstance(alert, lt.torrent_removed_alert), seconds)
        with contextlib.suppress(FileNotFoundError):
            os.remove(resume)
        return os.path.join(folder, manifest.file_name)

    def put(self, key: bytes, name: str, data: bytes, seconds: float) -> int:
        """Store a manifest in the DHT, where it is kept for two hours, as the newest of the series `name` of this key. Returns how many of its members took
        it; 0 if none did in that time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.session.dht_put_mutable_item(expanded(key), bytes.fromhex(public_key(key)), data, name.encode("ascii"))
            found = self._wait_for(lambda alert: isinstance(alert, self.lt.dht_put_alert), ends - time.monotonic())
            if found is not None and found.num_success:
                return int(found.num_success)
            time.sleep(RETRY)  # it has not joined yet
        return 0

    def get(self, key: str, name: str, seconds: float) -> list[bytes]:
        """What the DHT has as the newest manifest of a series, unchecked, each different value once; nothing if it has none after `seconds`. `items` has
        what their putter signed."""
        lt, ends = self.lt, time.monotonic() + seconds
        found: dict[bytes, Item] = {}
        public, salt = bytes.fromhex(key), name.encode("ascii")

        def heard(alert: Any) -> bool:
            if not isinstance(alert, lt.dht_mutable_item_alert) or (bytes(alert.key), alert.salt) not in ((public, salt), (public, name)):
                return False
            if isinstance(alert.item, bytes) and alert.item:
                found[alert.item] = Item(public, salt, alert.item, int(alert.seq), bytes(alert.signature))
            return bool(alert.authoritative)

        while not found and time.monotonic() < ends:
            self.session.dht_get_mutable_item(public, salt)
            self._wait_for(heard, ends - time.monotonic())
            if not found:
                time.sleep(RETRY)  # it has not joined yet, or the manifest is not there yet
        self.items.update(found)
        return list(found)

    def keep(self, item: Item) -> int:
        """Store somebody's item in the DHT again; returns how many of its members took it."""
        return keep(item, [(self.host, self.port), *self.nodes], self.host, self.lt)

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

    def _download(self, torrent: Any, peers: Sequence[Address], seconds: float, shown: Progress, manifest: Manifest, resume: str) -> None:
        started = saved = last = time.monotonic()
        done = 0
        while True:
            status = torrent.status()
            if status.errc.value():
                raise UserError(
                    f"{manifest.file_name}: cannot be written ({status.errc.message()}); free some space and give the same command again"
                )
            shown.add(status.total_done - done)
            done = status.total_done
            if status.is_seeding:
                return
            now = time.monotonic()
            if now - started > seconds:
                raise UserError(
                    f"{manifest.file_name}: {done:,} of {manifest.size:,} bytes came in {seconds:g} s; the same command goes on from there "
                    "(others to ask: --peer, --from)"
                )
            if now - last >= 1.0 or last == started:
                last = now
                for address in peers:
                    torrent.connect_peer(address)
            if now - saved >= SAVE_SECONDS and status.total_done:
                saved = now
                self._save(torrent, resume)
            self._hear()
            time.sleep(WAIT)

    def _save(self, torrent: Any, path: str) -> None:
        lt = self.lt
        torrent.save_resume_data(lt.save_resume_flags_t.flush_disk_cache | lt.save_resume_flags_t.save_info_dict)
        kinds = (lt.save_resume_data_alert, lt.save_resume_data_failed_alert)
        found = self._wait_for(lambda alert: isinstance(alert, kinds), 10.0)
        if isinstance(found, lt.save_resume_data_alert):
            atomic_write(path, lt.write_resume_data_buf(found.params))

    def _hear(self) -> None:
        """Alerts are thrown away when nobody waits for them."""
        self.session.pop_alerts()

    def _wait_for(self, wanted: Callable[[Any], bool], seconds: Optional[float]) -> Optional[Any]:
        """The first alert that is wanted; None after `seconds`."""
        started = time.monotonic()
        while seconds is None or time.monotonic() - started < seconds:
            # An alert is only there until the next ones are asked for.
            for alert in self.session.pop_alerts():
                if wanted(alert):
                    return alert
            self.session.wait_for_alert(int(1000 * WAIT))
        return None
