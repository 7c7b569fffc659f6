"""What the commands of `python -m fable6c.exchange` do, for programs too: publish, fetch and serve."""

import contextlib
import dataclasses
import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Callable, Optional

from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_file, atomic_write, locked, make_folder, open_file
from fable6c.model.file import read_model
from fable6c.sharing import keys
from fable6c.sharing import manifest as manifests
from fable6c.sharing.dht import Address, item_bytes, read_item, sign_item
from fable6c.sharing.http import MANIFEST_SECONDS, Server, Throttle, check_source, fetch_file, fetch_manifest
from fable6c.sharing.manifest import KINDS, Manifest
from fable6c.sharing.peer import Ended, Peer
from fable6c.sharing.shelf import DAY, Refused, Shelf, check_kind

__all__ = ["Fetched", "Network", "check_source", "fetch", "key_of", "publish", "serve"]

MAX_ABOUT = 240  # bytes
DHT_SECONDS = 60.0  # for one search in the DHT
RESCAN_SECONDS = 5.0  # between looks at the folder that is served
RENEW_SECONDS = 900.0  # between two puts of a manifest: the DHT keeps it for two hours
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds until libtorrent is started again, twice as long each time
CALM_SECONDS = 3600.0  # who ran for so long begins with the first pause again


def key_of(path: str) -> tuple[str, bool]:
    """The public key of the secret one in a file, and whether it was made just now."""
    if os.path.lexists(path):
        return manifests.public_key(keys.read_key(path)), False
    return manifests.public_key(keys.make_key(path)), True


# ---- publishing


def publish(
    shelf: Shelf, path: str, key_path: str, name: str, licence: str, about: Optional[str] = None, parent: str = "", run: str = "",
    days: int = 90, successor: Optional[str] = None,
) -> Manifest:  # fmt: skip
    """Sign a file as the newest of the series `name` and put both into the folder. UserError, one line, for what cannot be."""
    kind = next((kind for kind, ending in KINDS.items() if path.endswith(ending)), None)
    if kind is None:
        raise UserError(f"{path}: its name must end in {', '.join(KINDS.values())}; other files are not exchanged")
    key = keys.read_key(key_path)
    public = manifests.public_key(key)
    size, sha256, root = manifests.file_hashes(path)
    check_kind(kind, path, path)
    new_key = keys.read_key(successor) if successor else None
    make_folder(os.path.join(shelf.folder, public))
    with locked(os.path.join(shelf.folder, public), "publishing", "--folder"):
        held = shelf.held(public, name) if manifests.ALLOWED["name"](name) else None
        if held and held[0].successor:
            raise UserError(f"{key_path}: has handed this series over to {held[0].successor}; sign with that key")
        last = held[0].sequence if held else max((_handed_over(shelf, public, name)), default=0)
        manifest = Manifest(
            key=public, name=name, kind=kind, sequence=last + 1, expires=int(shelf.clock()) + days * DAY, sha256=sha256, root=root, size=size,
            licence=licence, about=described(path, kind) if about is None else about, run=run,
            parent=manifests.file_hashes(parent)[1] if parent else "",
        )  # fmt: skip
        if new_key is not None:
            accepted = manifests.accept_succession(public, name, new_key) if manifests.ALLOWED["name"](name) else ""
            manifest = dataclasses.replace(manifest, successor=manifests.public_key(new_key), accepted=accepted)
            if about is None:
                manifest = dataclasses.replace(manifest, about="")  # both do not fit
        data = manifests.sign(manifest, key)
        with open_file(path) as source, atomic_file(shelf.file_path(manifest)) as file:
            for block in iter(lambda: source.read(1 << 20), b""):
                file.write(block)
        if not shelf.whole(manifest):
            raise UserError(f"{path}: was changed while it was read; publish it again")
        atomic_write(shelf.manifest_path(public, name), data)
    return manifest


def _handed_over(shelf: Shelf, key: str, name: str) -> Iterable[int]:
    """The numbers at which other keys handed this series over to this one."""
    for other, series in shelf.series():
        held = shelf.held(other, series) if series == name else None
        if held and held[0].successor == key:
            yield held[0].sequence


def described(path: str, kind: str) -> str:
    """A model's own card in a sentence; nothing for other files."""
    if kind != "model":
        return ""
    card = read_model(path).card
    parts = [f"{name.replace('_', ' ')} {card[name]}" for name in ("preset", "parameters", "corpus", "bits_per_char") if name in card]
    text = json.dumps(", ".join(parts), ensure_ascii=False)[1:-1].encode("utf-8", "replace")[:MAX_ABOUT].decode("utf-8", "ignore")
    return text if manifests.ALLOWED["about"](text) else ""


# ---- fetching


@dataclasses.dataclass
class Network:
    """Whom to ask, and how much: sources of http.py; peers of BitTorrent; nodes of the DHT, or its public ones; bytes a second; seconds for one file."""

    sources: Sequence[str] = ()
    peers: Sequence[Address] = ()
    nodes: Sequence[Address] = ()
    public: bool = False
    listen: Address = ("127.0.0.1", 0)
    up: int = 0
    down: int = 0
    seconds: float = 600.0
    max_size: int = 256 << 20
    progress: bool = True

    @property
    def dht(self) -> bool:
        return bool(self.nodes) or self.public


@dataclasses.dataclass
class Fetched:
    """The newest manifest of a series, the path of its file, and whether it came just now."""

    manifest: Manifest
    path: str
    news: bool


def fetch(shelf: Shelf, key: str, name: str, network: Network) -> Fetched:
    """Get the newest file of a series, from whoever of the network has it and tells the truth. UserError, one line with each one's reason, if nobody does;
    what was there before stays."""
    if not network.sources and not network.dht:
        raise UsageError("nobody to ask: give --from URL, --node ADDRESS:PORT or --public")
    first, fetched = key, False
    with contextlib.ExitStack() as stack:
        peer: Optional[Peer] = None
        if network.dht or network.peers:
            peer = stack.enter_context(Peer(network.listen, network.up, network.down, network.nodes, network.public))
        while True:
            key = shelf.key_now(first, name)
            if shelf.newest(first, name) and shelf.held(key, name) is None and not _anything(key, name, network, peer):
                break  # the new key has signed nothing yet
            make_folder(os.path.join(shelf.folder, key))
            with locked(os.path.join(shelf.folder, key), "fetch", "--folder"):
                news = _newest(shelf, key, name, first, network, peer)
                if news is not None:
                    _fetch_file(shelf, *news, network, peer)
                    fetched = True
                held = shelf.held(key, name)
                if held is not None and peer is not None and held[1] in peer.items:  # `serve` keeps it in the DHT
                    atomic_write(shelf.item_path(key, name), item_bytes(peer.items[held[1]]))
            if news is None or not news[0].successor:
                break
    found = shelf.newest(first, name)
    assert found is not None  # else _newest had said so
    return Fetched(found[0], shelf.file_path(found[0]), fetched)


def _anything(key: str, name: str, network: Network, peer: Optional[Peer]) -> bool:
    return any(not isinstance(answer, UserError) for _, answer in _answers(key, name, network, peer))


def _answers(key: str, name: str, network: Network, peer: Optional[Peer]) -> list[tuple[str, object]]:
    """What each one has as the newest manifest: its bytes, unchecked, or a UserError."""
    answers: list[tuple[str, object]] = []
    for source in network.sources:
        try:
            answers.append((source, fetch_manifest(source, key, name, min(MANIFEST_SECONDS, network.seconds))))
        except UserError as error:
            answers.append((source, error))
    if network.dht and peer is not None:
        try:
            found = peer.get(key, name, min(DHT_SECONDS, network.seconds), network.progress)
            answers += [("the DHT", data) for data in found] or [("the DHT", UserError("has nothing of this series"))]
        except UserError as error:
            answers.append(("the DHT", error))
    return answers


def _newest(shelf: Shelf, key: str, name: str, first: str, network: Network, peer: Optional[Peer]) -> Optional[tuple[Manifest, bytes]]:
    """The newest manifest that anybody has; None if it is the one that is here, with its file. UserError if nobody has one that may be taken."""
    found, same, said = {}, False, []
    for who, answer in _answers(key, name, network, peer):
        if not isinstance(answer, bytes):
            said.append(f"{who}: {answer}" if not str(answer).startswith(who) else str(answer))
            continue
        try:
            manifest = shelf.judge(answer, first, name, network.max_size)
        except UserError as error:
            said.append(f"{who}: {error}")
            continue
        if manifest is None:
            same = True
        else:
            found[answer] = manifest
    if found:
        data = max(found, key=lambda data: found[data].sequence)
        return found[data], data
    held = shelf.held(key, name)
    if same and held:
        return None if shelf.whole(held[0]) else held
    raise UserError("; ".join(said))


def _fetch_file(shelf: Shelf, manifest: Manifest, data: bytes, network: Network, peer: Optional[Peer]) -> None:
    """Get the file of a manifest that may be taken: over HTTP from each source in turn, then by BitTorrent."""
    ways: list[Callable[[str], None]] = []

    def by_http(source: str) -> Callable[[str], None]:
        throttle = Throttle(network.down)
        return lambda folder: fetch_file(
            source, manifest, os.path.join(folder, manifest.file_name), network.seconds, throttle, network.progress
        )

    def by_torrent(folder: str) -> None:
        assert peer is not None
        peer.fetch(manifest, folder, network.peers, network.seconds, network.progress)

    ways = [by_http(source) for source in network.sources] + ([by_torrent] if peer is not None else [])
    said: list[UserError] = []
    for way in ways:
        # What another source began may be wrong: then this one is asked once more for all of it.
        for _ in range(2):
            begun = shelf.begun(manifest)
            try:
                with shelf.incoming(manifest) as folder:
                    way(folder)
                    shelf.take(manifest, data, os.path.join(folder, manifest.file_name))
                    return
            except Refused as error:
                said.append(error)
                if not begun:
                    break
            except UserError as error:
                said.append(error)
                break
    raise (said[0] if len(said) == 1 else UserError("; ".join(map(str, said))))


# ---- serving


def serve(
    shelf: Shelf, http: Optional[Address], listen: Optional[Address], up: int, nodes: Sequence[Address], public: bool, key_paths: Sequence[str],
    stop: Optional[threading.Event] = None,
) -> None:  # fmt: skip
    """Offer the folder until `stop` is set or the process is stopped; what comes into it later is offered too."""
    secrets = [keys.read_key(path) for path in key_paths]
    stop = stop or threading.Event()
    if secrets and listen is None:
        raise UsageError("--key: needs --listen ADDRESS:PORT; over HTTP the manifests speak for themselves")
    with contextlib.ExitStack() as stack:
        if http is not None:
            server = Server(http, shelf, Throttle(up))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            print(f"http://{http[0] if ':' not in http[0] else f'[{http[0]}]'}:{server.server_address[1]}", flush=True)
        peer = None
        if listen is not None:
            peer = stack.enter_context(Peer(listen, up, nodes=nodes, public=public, dht=True))
            print(f"BitTorrent at {listen[0]}:{peer.port}", flush=True)
        named: set[str] = set()
        pause, since = FIRST_PAUSE, time.monotonic()
        offered: dict[str, float] = {}  # the path of each file that libtorrent offers, and when the DHT is told of it again
        while not stop.is_set():
            try:
                if peer is not None:
                    peer.check()
                for manifest, data in _offers(shelf):
                    place = shelf.file_path(manifest)
                    if place not in named:
                        print(f"{manifest.key[:16]}…/{manifest.name} number {manifest.sequence}", flush=True)
                        named.add(place)
                    if peer is not None and place not in offered:
                        peer.seed(manifest, place)
                        offered[place] = 0.0
                    if peer is not None and time.monotonic() >= offered[place]:
                        offered[place] = _tell_dht(peer, shelf, secrets, manifest, data)
            except Ended as error:
                pause = FIRST_PAUSE if time.monotonic() - since > CALM_SECONDS else pause
                print(f"{error}; in {pause:g} s it is started again and offers everything again", flush=True)
                stop.wait(pause)
                pause, since = min(2 * pause, LONGEST_PAUSE), time.monotonic()
                offered.clear()
                continue
            stop.wait(RESCAN_SECONDS)


def _offers(shelf: Shelf) -> list[tuple[Manifest, bytes]]:
    """The manifests of the folder that are right and have their file."""
    found = []
    for key, name in shelf.series():
        with contextlib.suppress(UserError):
            held = shelf.held(key, name)
            if held and os.path.isfile(shelf.file_path(held[0])):
                found.append(held)
    return found


def _tell_dht(peer: Peer, shelf: Shelf, secrets: Sequence[bytes], manifest: Manifest, data: bytes) -> float:
    """Put a manifest into the DHT: one's own, or again what its publisher put there. Returns the time at which to do so again."""
    key = next((secret for secret in secrets if manifests.public_key(secret) == manifest.key), None)
    if key is not None:
        item = sign_item(key, manifest.name, data, manifest.sequence)
    else:
        kept = read_item(shelf.item_path(manifest.key, manifest.name))
        if kept is None or kept.value != data:
            return float("inf")  # it was fetched elsewhere
        item = kept
    return time.monotonic() + (RENEW_SECONDS if peer.keep(item) else 0.0)
