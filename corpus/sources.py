"""Where text comes from: python -m fable6c.corpus list, and get NAME, which downloads a source of sources.toml.

A download goes to FILE.part, which a later call continues, and gets its name only when it is whole and its checksum is right. Beside the
files lies source.json: the source's name, licence, URLs, and the SHA-256 of each file.
"""

import dataclasses
import datetime
import hashlib
import http.client
import json
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from fable6c import __version__
from fable6c.cli import ArgumentParser, print_next
from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_write, existing_file, locked, make_folder, open_file, read_json, read_toml
from fable6c.progress import Progress

BLOCK = 1 << 16
MAX_TAG_BYTES = 1 << 12  # of a file's tag
MAX_TRIES = 100  # in all, however often there was progress in between
LONGEST_WAIT = 60.0  # seconds between two tries
MAX_UNKNOWN = 64 << 30  # bytes of an answer that does not say how long it is
SOURCES_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sources.toml")
_SHA256 = re.compile(r'^"?([0-9a-f]{64})"?$')


@dataclasses.dataclass(frozen=True)
class Source:
    """An entry of sources.toml, whose first lines explain the fields."""

    name: str
    title: str
    licence: str
    citation: str
    urls: Sequence[str]
    checksum: str
    about_bytes: int = 0
    pause_seconds: float = 0.0
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)  # published sums: file name to sum
    books: Sequence[Sequence[object]] = ()

    def files(self) -> Iterator[tuple[str, str]]:
        """(file name, URL) of everything that belongs to the source."""
        for url in self.urls:
            for address in [url.replace("{book}", str(book[0])) for book in self.books] or [url]:
                yield os.path.basename(urllib.parse.urlsplit(address).path), address


def load_sources(path: str = SOURCES_FILE) -> dict[str, Source]:
    """The sources by name. UserError for a file that is not as it should be."""
    try:
        return {name: Source(name=name, **table) for name, table in read_toml(path).items()}
    except TypeError as error:
        raise UserError(f"{path}: is not a list of sources ({error})") from None


class _Retry(Exception):
    """A failure that may pass: try again."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http and https, and keeps the checksum that the Hugging Face hub sends along with its own."""

    sha256: Optional[str] = None

    def redirect_request(self, request: Any, file: Any, code: int, message: str, headers: Any, url: str) -> Any:
        self.sha256 = _published(headers) or self.sha256
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(request.full_url, code, f"redirected to {url[:80]}", headers, file)
        return super().redirect_request(request, file, code, message, headers, url)


def _published(headers: Any) -> Optional[str]:
    found = _SHA256.match(headers.get("X-Linked-Etag") or "")
    return found.group(1) if found else None


class Downloader:
    """Fetches files over HTTP. proxy: its URL, "" for the environment's; timeout: seconds without a byte; retries: tries without
    progress; wait: seconds before the second try, doubled for each further one."""

    def __init__(self, proxy: str = "", timeout: float = 30.0, retries: int = 5, wait: float = 1.0, progress: bool = True):
        self.proxy, self.timeout, self.retries, self.wait, self.progress = proxy, timeout, retries, wait, progress

    def fetch(self, url: str, path: str, sha256: Optional[str] = None) -> dict[str, object]:
        """Download to `path`. Returns {url, bytes, sha256, published}. UserError if it cannot be had whole, or is not what it should be.

        sha256: the sum that the file must have, or None; one that the server publishes is checked as well.
        """
        for name in (path, path + ".part", path + ".part.tag"):
            existing_file(name)
        failures = 0
        for _ in range(MAX_TRIES):
            before = _size(path + ".part")
            try:
                published = self._try(url, path)
                break
            except _Retry as error:
                failures = 0 if _size(path + ".part") > before else failures + 1
                if failures >= self.retries:
                    raise UserError(
                        f"{url}: {error}, {failures} times without progress; try again later, or give --mirror or --proxy"
                    ) from None
                print(f"{url}: {error}; trying again", file=sys.stderr)
                time.sleep(min(LONGEST_WAIT, self.wait * 2 ** max(0, failures - 1)))
        else:
            raise UserError(f"{url}: broke off {MAX_TRIES} times; the same command goes on from there")
        part = path + ".part"
        found = _sum_of(part)
        for wanted, by in ((sha256, "earlier, or by sources.toml"), (published, "by the server")):
            if wanted and wanted != found:
                _forget(part)
                raise UserError(f"{url}: has the SHA-256 {found}, but {wanted} was given {by}; it was changed or damaged and is not kept")
        size = os.path.getsize(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        _remove(part + ".tag")
        return {"url": url, "bytes": size, "sha256": found, "published": published is not None}

    def _try(self, url: str, path: str) -> Optional[str]:
        """One request; returns the checksum that the server names, if any, when FILE.part is whole. _Retry if that may help."""
        part, tag_path = path + ".part", path + ".part.tag"
        have, tag = _size(part), _read(tag_path)
        if have and not tag:  # nothing says that it is the same file: begin anew
            _forget(part)
            have = 0
        headers = {"User-Agent": f"fable6c/{__version__} (corpus download)", "Accept-Encoding": "identity"}
        if have:
            headers.update({"Range": f"bytes={have}-", "If-Range": tag})
        redirects = _Redirects()
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), redirects)
        try:
            with opener.open(urllib.request.Request(url, headers=headers), timeout=self.timeout) as answer:
                published = _published(answer.headers) or redirects.sha256
                length = _whole_number(answer.headers.get("Content-Length"))
                total = length
                if answer.status == 206:
                    place = re.match(r"bytes (\d+)-\d*/(\d+)$", answer.headers.get("Content-Range") or "")
                    if not place or int(place.group(1)) != have:
                        _forget(part)
                        raise _Retry(f"the server went on at another place ({answer.headers.get('Content-Range')})")
                    total = int(place.group(2))
                elif answer.status != 200:
                    raise _Retry(f"the server answered {answer.status}")
                else:
                    have = 0
                _refuse_page(url, answer.headers.get("Content-Type") or "")
                # If-Range takes a strong tag or a date; a weak tag is none.
                tag = answer.headers.get("ETag") or ""
                tag = answer.headers.get("Last-Modified") or "" if not tag or tag.startswith("W/") else tag
                if tag:
                    atomic_write(tag_path, tag.encode("latin-1", "replace"))
                elif answer.status == 200:  # an answer to If-Range need not name again what it was asked for
                    _remove(tag_path)
                self._save(answer, part, have, total, url)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to send, or the file became shorter
                whole = re.match(r"bytes \*/(\d+)$", error.headers.get("Content-Range") or "")
                if whole and int(whole.group(1)) == have:
                    return redirects.sha256
                _forget(part)
                raise _Retry("the file is another one now") from None
            reason = " ".join(f"{error.code} {error.reason}".split())  # urllib's own can have several lines
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _Retry(f"the server answered {reason}") from None
            raise UserError(f"{url}: the server answered {reason}; the source has moved: give --mirror, or see its page") from None
        except urllib.error.URLError as error:
            raise _Retry(f"cannot be reached ({error.reason})") from None
        except (socket.timeout, TimeoutError):
            raise _Retry(f"nothing came for {self.timeout:g} s") from None
        except (http.client.HTTPException, OSError) as error:
            raise _Retry(f"broke off ({error or type(error).__name__})") from None
        except ValueError as error:
            raise UserError(f"{url}: is not an address ({error})") from None
        return published

    def _save(self, answer: Any, part: str, have: int, total: Optional[int], url: str) -> None:
        """The body into FILE.part, from byte `have` on."""
        most = MAX_UNKNOWN if total is None else total
        try:
            with open(part, "r+b" if have else "wb") as file, Progress(os.path.basename(part)[:-5], total, "bytes", self.progress) as shown:
                file.seek(have)
                file.truncate()
                shown.add(have)
                first = have == 0
                while True:
                    try:
                        block = answer.read1(BLOCK)
                    except (socket.timeout, TimeoutError):
                        raise _Retry(f"nothing came for {self.timeout:g} s") from None
                    except OSError as error:
                        raise _Retry(f"broke off ({error})") from None
                    if not block:
                        break
                    if first:
                        _refuse_page(url, "", block)
                        first = False
                    have += len(block)
                    if have > most:
                        raise UserError(f"{url}: is longer than {most:,} bytes; not kept")
                    file.write(block)
                    shown.add(len(block))
        except OSError as error:
            raise UserError(f"{part}: cannot be written ({error.strerror}); free some space and give the same command again") from None
        if total is not None and have < total:
            raise _Retry(f"broke off at byte {have:,} of {total:,}")


def _refuse_page(url: str, content_type: str, start: bytes = b"") -> None:
    """A web page where a file should be: an error page, a log-in page."""
    if url.lower().endswith((".html", ".htm")):
        return
    if "text/html" in content_type.lower() or re.match(rb"\s*<(!doctype html|html)", start[:200], re.IGNORECASE):
        raise _Retry("a web page came instead of the file (an error or log-in page)")


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open_file(path) as file:
        return file.read(MAX_TAG_BYTES).decode("latin-1").strip()


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)


def _forget(part: str) -> None:
    _remove(part)
    _remove(part + ".tag")


def _whole_number(text: Optional[str]) -> Optional[int]:
    return int(text) if text and text.isdigit() else None


def _sum_of(path: str) -> str:
    digest = hashlib.sha256()
    with open_file(path) as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def get(source: Source, folder: str, downloader: Downloader, mirror: str = "") -> None:
    """Download what is missing of a source into `folder`. mirror: replaces the scheme and host (and leading path) of its URLs."""
    make_folder(folder)
    note_path = os.path.join(folder, "source.json")
    noted: dict[str, Any] = {
        "name": source.name,
        "title": source.title,
        "licence": source.licence,
        "citation": source.citation,
        "files": {},
    }
    if os.path.exists(note_path):
        try:
            before = read_json(note_path)
            noted["files"], other = (
                {name: {**entry, "bytes": int(entry["bytes"])} for name, entry in before["files"].items()},
                before["name"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{note_path}: cannot be read ({error}); remove it, or choose another folder with -o") from None
        if other != source.name:
            raise UserError(f"{folder} holds the source {other}, whose licence would be lost: choose another folder with -o")
    failed: list[str] = []
    files = list(source.files())
    fetched = 0
    for name, url in files:
        path = os.path.join(folder, name)
        known = noted["files"].get(name, {})
        if os.path.exists(path) and os.path.getsize(path) == known.get("bytes"):
            continue
        if fetched and source.pause_seconds:
            time.sleep(source.pause_seconds)
        try:
            entry = downloader.fetch(_mirrored(url, mirror), path, source.sha256.get(name) or known.get("sha256"))
        except UserError as error:
            if len(files) == 1:
                raise
            print(error, file=sys.stderr)
            failed.append(name)
            continue
        fetched += 1
        entry["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        noted["files"][name] = entry
        atomic_write(note_path, json.dumps(noted, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    total = sum(entry["bytes"] for entry in noted["files"].values())
    print(f"{folder}: {len(noted['files'])} of {len(files)} files, {total:,} bytes, {source.licence}")
    if failed:
        raise UserError(
            f"{len(failed)} files could not be had ({', '.join(failed[:5])}{' …' if len(failed) > 5 else ''}); the same command tries them again"
        )
    print_next("corpus", "clean", folder, "-o", "clean")


def _mirrored(url: str, mirror: str) -> str:
    if not mirror:
        return url
    return mirror.rstrip("/") + urllib.parse.urlsplit(url).path


def show(sources: dict[str, Source]) -> None:
    for source in sources.values():
        size = f"about {source.about_bytes / 1e6:,.0f} MB" if source.about_bytes else "size not known"
        count = f", {len(source.books)} books" if source.books else ""
        lines = (
            source.name,
            source.title,
            f"{size}{count}; {source.licence}",
            source.citation,
            source.urls[0],
            f"checksum: {source.checksum}",
        )
        print("\n  ".join(lines) + "\n")
    print("synth\n  stories of our own, from a seed: python -m fable6c.corpus synth --bytes 8M -o synth.txt (no network)\n")
    print("your own files\n  python -m fable6c.corpus clean FILE-OR-FOLDER … -o clean")


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.corpus",
        "List the sources of text and download them.",
        "python -m fable6c.corpus get tinystories -o corpora/tinystories",
    )
    commands = parser.subcommands()
    commands.add_parser(
        "list", purpose="Show the sources and what is known of them.", example="python -m fable6c.corpus list", help="show the sources"
    )
    one = commands.add_parser(
        "get", purpose="Download a source; goes on where it was interrupted.", help="download a source",
        example="python -m fable6c.corpus get gutenberg-children -o corpora/gutenberg",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME", help="a name that `list` shows")
    one.add_argument("-o", "--output", default="", metavar="DIR", help="folder (default corpora/NAME)")
    one.add_argument("--mirror", default="", metavar="URL", help="take the files from here instead: replaces https://HOST of the URLs")
    one.add_argument("--proxy", default="", metavar="URL", help="HTTP proxy (default: http_proxy and https_proxy of the environment)")
    one.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="give up a connection on which nothing comes (default 30)"
    )
    one.add_argument("--retries", type=int, default=5, metavar="N", help="tries without progress before giving up (default 5)")
    one.add_argument("--sources", default=SOURCES_FILE, metavar="FILE", help="another list in the form of sources.toml")
    options = parser.parse_args(argv)
    if options.command == "list":
        show(load_sources())
        return
    for name, value in (("mirror", options.mirror), ("proxy", options.proxy)):
        if value and urllib.parse.urlsplit(value).scheme not in ("http", "https"):
            raise UsageError(f"--{name} {value}: expected a URL that begins with http:// or https://")
    if not 0 < options.timeout <= 1e6 or options.retries < 1:
        raise UsageError("--timeout and --retries: expected numbers above 0")
    sources = load_sources(options.sources)
    if options.name not in sources:
        import difflib

        near = difflib.get_close_matches(options.name, sources, 1, 0)[0]
        hint = "make it with `python -m fable6c.corpus synth`" if options.name == "synth" else f"did you mean `{near}`?"
        raise UsageError(f"there is no source `{options.name}` to download; {hint}")
    downloader = Downloader(options.proxy, options.timeout, options.retries)
    folder = options.output or os.path.join("corpora", options.name)
    make_folder(folder)
    with locked(folder, "download", "-o"):
        get(sources[options.name], folder, downloader, options.mirror)
