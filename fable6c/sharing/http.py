"""The fallback that every network lets through: the folder of a Shelf over plain HTTP. What comes is trusted no more than what comes from a peer.

A source is an address (http://HOST/… or https://…) or a folder: a USB stick is a mirror too.
"""

import contextlib
import errno
import http.client
import http.server
import os
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any, Optional

from fable6c import __version__
from fable6c.cli import harmless
from fable6c.errors import UsageError, UserError
from fable6c.files import open_file
from fable6c.progress import Progress
from fable6c.sharing import manifest as manifests
from fable6c.sharing.manifest import Manifest
from fable6c.sharing.shelf import Refused, Shelf

TIMEOUT = 30.0  # seconds without a byte
MANIFEST_SECONDS = 60.0  # for all of a manifest
PIECE = 1 << 16
MAX_CONNECTIONS = 32
TRIES = 5


class Throttle:
    """Holds a rate in bytes a second over all who share it; 0 lets everything through."""

    def __init__(self, rate: int):
        self.rate, self._next, self._lock = rate, 0.0, threading.Lock()

    def wait(self, size: int) -> None:
        if not self.rate:
            return
        with self._lock:
            self._next = max(self._next, time.monotonic()) + size / self.rate
            pause = self._next - time.monotonic()
        if pause > 0:
            time.sleep(pause)


# ---- fetching


class _Line:
    """The connections of one answer, redirections included, which are cut when its time is over: who sends a byte now and then would hold the reader for ever."""

    def __init__(self, seconds: float):
        self.over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "_Line":
        self._timer.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._timer.cancel()
        self._end()  # those too that an error left open

    def _cut(self) -> None:
        self.over = True
        self._end()

    def _end(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # past TLS, of which the reader is in the middle

    def handlers(self) -> list[urllib.request.BaseHandler]:
        line = self

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                line._connected(self.sock)

        class Secure(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                line._connected(self.sock)

        class Http(urllib.request.HTTPHandler):
            def http_open(self, request: Any) -> Any:
                return self.do_open(Plain, request)

        class Https(urllib.request.HTTPSHandler):
            def https_open(self, request: Any) -> Any:
                return self.do_open(Secure, request)

        return [Http(), Https(), _WebOnly()]

    def _connected(self, one: socket.socket) -> None:
        self._sockets.append(one)
        if self.over:
            raise TimeoutError("its time is over")


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http and https alone, and reads nothing of the page that comes with them."""

    def redirect_request(self, request: Any, file: Any, code: int, message: str, headers: Any, url: str) -> Any:
        file.close()  # else urllib reads it to its end, which may never come
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(request.full_url, code, f"redirected to {url[:80]}", headers, file)
        return super().redirect_request(request, file, code, message, headers, url)


def check_source(source: str) -> None:
    """UsageError for a source that is neither an address nor a folder."""
    scheme = urllib.parse.urlsplit(source).scheme
    if scheme not in ("http", "https") and not os.path.isdir(source):
        raise UsageError(f"--from {source}: is no folder here and no address; give one that begins with http:// or https://")


@contextlib.contextmanager
def _open(source: str, path: str, seconds: float, start: int = 0) -> Any:
    """What a source has at `path` from byte `start` on. UserError where it has it not, or not all of it is read after `seconds`."""
    where = f"{source.rstrip('/')}/{path}"
    if not where.startswith(("http://", "https://")):
        try:
            with open_file(os.path.join(source, *path.split("/"))) as file:
                file.seek(start)
                yield file
        except OSError as error:
            raise UserError(f"{where}: cannot be read ({error.strerror})") from None
        return
    headers = {"User-Agent": f"fable6c/{__version__} (exchange)", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _Line(seconds) as line:
        try:
            opener = urllib.request.build_opener(*line.handlers())
            with opener.open(urllib.request.Request(where, headers=headers), timeout=TIMEOUT) as answer:
                if start and not (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
                    raise UserError(f"{where}: the server does not go on at byte {start}")
                yield answer
            if line.over:
                raise TimeoutError
        except urllib.error.HTTPError as error:
            error.close()
            raise UserError(f"{where}: the server answered {error.code}") from None
        except (HTTPException, OSError, ValueError) as error:
            if line.over:
                raise UserError(f"{where}: was cut off after {seconds:.0f} s; it comes too slowly") from None
            if isinstance(error, urllib.error.URLError):
                raise UserError(f"{where}: cannot be reached ({_words(error.reason)})") from None
            raise UserError(f"{where}: broke off ({_words(error)})") from None


def _words(error: Any) -> str:
    """What an error says, in one line: the server may have chosen its words."""
    return " ".join(harmless(str(error)).split())[:100] or type(error).__name__


def fetch_manifest(source: str, key: str, name: str, seconds: float = MANIFEST_SECONDS) -> bytes:
    """The bytes that a source has for a series' manifest, unchecked and no more than a manifest can have."""
    data = b""
    with _open(source, f"{key}/{name}.f6m", seconds) as answer:
        while len(data) <= manifests.MAX_BYTES and (block := answer.read1(manifests.MAX_BYTES + 1 - len(data))):
            data += block
    return data


def fetch_file(source: str, manifest: Manifest, path: str, seconds: float, throttle: Throttle, progress: bool = True) -> None:
    """Bring a manifest's file to `path`, where what an earlier try left is gone on with. UserError if the source does not give it all in that time; Refused
    if it gives more. The content is not checked here."""
    ends = time.monotonic() + seconds
    for attempt in range(TRIES):
        have = os.path.getsize(path) if os.path.isfile(path) else 0
        if have >= manifest.size:
            return
        try:
            _go_on(source, manifest, path, have, ends - time.monotonic(), throttle, progress)
        except Refused:
            raise
        except UserError as error:
            if time.monotonic() >= ends:
                raise UserError(f"{error}; the same command goes on from there (--minutes)") from None
            if attempt == TRIES - 1 or os.path.getsize(path) <= have:  # no byte more: it has nothing to give
                raise
    raise UserError(f"{source}: broke off {TRIES} times; the same command goes on from there")


def _go_on(source: str, manifest: Manifest, path: str, have: int, seconds: float, throttle: Throttle, progress: bool) -> None:
    with open(path, "ab") as file, Progress(manifest.file_name, manifest.size, "bytes", progress) as shown:
        shown.add(have)
        with _open(source, f"{manifest.key}/{manifest.file_name}", seconds, have) as answer:
            while block := answer.read1(min(PIECE, manifest.size - have + 1)):
                have += len(block)
                if have > manifest.size:
                    raise Refused(
                        f"{manifest.file_name}: the source sends more than the {manifest.size:,} bytes of the manifest; nothing is kept"
                    )
                try:
                    file.write(block)
                except OSError as error:
                    raise UserError(
                        f"{path}: cannot be written ({error.strerror}); free some space and give the same command again"
                    ) from None
                shown.add(len(block))
                throttle.wait(len(block))
        if have < manifest.size:
            raise UserError(f"{source}: broke off at byte {have:,} of {manifest.size:,}; the same command goes on from there")


# ---- serving


class Server(http.server.ThreadingHTTPServer):
    """Offers the manifests of a shelf and the files that they name, and nothing else of the folder."""

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, address: tuple[str, int], shelf: Shelf, throttle: Throttle):
        self.shelf, self.throttle = shelf, throttle
        self.free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__(address, Handler)
        except OSError as error:
            hint = "choose another port" if error.errno == errno.EADDRINUSE else "give an address of this machine"
            raise UserError(f"--http {address[0]}:{address[1]}: cannot be used ({error.strerror or error}); {hint}") from None

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:  # the next one finds a place
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error here."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    timeout = TIMEOUT

    def do_GET(self) -> None:
        found = re.fullmatch(rf"/({manifests.HEX64})/([a-z0-9][a-z0-9._-]{{0,79}})", urllib.parse.urlsplit(self.path).path[:256])
        path = self._offered(*found.groups()) if found else None
        if path is None:
            self.send_error(404)
            return
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            asked = re.fullmatch(r"bytes=(\d{1,15})-", self.headers.get("Range") or "")
            start = min(int(asked.group(1)), size) if asked else 0
            if asked and start >= size:
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            file.seek(start)
            for block in iter(lambda: file.read(PIECE), b""):
                self.server.throttle.wait(len(block))
                self.wfile.write(block)

    def _offered(self, key: str, name: str) -> Optional[str]:
        """The path of what is asked for, if a manifest here names it."""
        shelf = self.server.shelf
        with contextlib.suppress(UserError):
            if name.endswith(".f6m"):
                return shelf.manifest_path(key, name[:-4]) if shelf.held(key, name[:-4]) else None
            series = name.rpartition("-")[0]
            found = shelf.held(key, series) if re.fullmatch(manifests.NAME, series) else None
            if found and found[0].file_name == name and os.path.isfile(shelf.file_path(found[0])):
                return shelf.file_path(found[0])
        return None

    def log_message(self, format: str, *arguments: Any) -> None:
        """Addresses of those who ask are written nowhere."""


def copy_file(path: str, target: str) -> None:
    """A copy beside the target, then its name. UserError where that cannot be done."""
    from fable6c.files import atomic_file

    with open_file(path) as source, atomic_file(target) as file:
        shutil.copyfileobj(source, file)
