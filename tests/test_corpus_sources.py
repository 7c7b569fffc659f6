"""sources.toml, and the downloader against a local server that misbehaves."""

import dataclasses
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading

import pytest

from fable6c.corpus import sources
from fable6c.corpus.sources import Downloader, Source, get, load_sources
from fable6c.errors import UsageError, UserError
from fable6c.files import locked

CONTENT = bytes(range(256)) * 1000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to behave."""

    protocol_version = "HTTP/1.1"
    timeout = 600

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, way = self.server, self.path.split("/")[1]
        server.requests.append((self.path, dict(self.headers)))
        seen = sum(path == self.path for path, _ in server.requests)
        getattr(self, "way_" + way.replace("-", "_"))(seen)

    def send(self, body=CONTENT, status=200, length=None, **headers):
        """An answer that honours Range and If-Range."""
        start = 0
        headers = {"ETag": '"one"', "Content-Type": "text/plain", **{name.replace("_", "-"): value for name, value in headers.items()}}
        wanted = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if status == 200 and wanted and self.headers.get("If-Range") == headers["ETag"]:
            start = int(wanted.group(1))
            if start >= len(body):
                return self.send(b"", 416, Content_Range=f"bytes */{len(body)}")
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) - start if length is None else length))
        self.end_headers()
        return start, body

    def way_good(self, seen):
        start, body = self.send()
        self.wfile.write(body[start:])

    def way_cut(self, seen):
        """Breaks off after 50,000 bytes."""
        start, body = self.send()
        self.wfile.write(body[start : start + 50_000])
        self.close_connection = True

    def way_cut_silent(self, seen):
        """Breaks off, and does not name its tag again in answer to If-Range (RFC 9110, 15.3.7)."""
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_header("Last-Modified", "Sat, 21 Nov 2026 08:00:00 GMT")
        self.end_headers()
        self.wfile.write(CONTENT[start : start + 100_000])
        self.close_connection = True

    def way_cut_no_range(self, seen):
        """Breaks off twice and always begins anew."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: 70_000 if seen < 3 else None])
        self.close_connection = True

    def way_changed(self, seen):
        """Breaks off, and is another file (with another tag) the second time."""
        body = CONTENT[::-1] if seen == 1 else CONTENT
        start, body = self.send(body, ETag=f'"{min(seen, 2)}"')
        self.wfile.write(body[start : start + (50_000 if seen == 1 else len(body))])
        self.close_connection = True

    def way_stall(self, seen):
        start, body = self.send()
        self.wfile.write(body[start : start + 100_000])
        self.wfile.flush()
        if len(body) - start > 100_000:
            self.server.stop.wait()
            self.close_connection = True

    def way_stall_forever(self, seen):
        self.server.stop.wait()
        self.close_connection = True

    def way_redirect(self, seen):
        self.send(b"", 302, Location="/good/file.bin")

    def way_hub(self, seen):
        self.send(b"", 302, Location="/good/file.bin", X_Linked_Etag=f'"{SUM}"')

    def way_hub_wrong(self, seen):
        self.send(b"", 302, Location="/good/file.bin", X_Linked_Etag=f'"{"0" * 64}"')

    def way_loop(self, seen):
        self.send(b"", 302, Location=self.path + "x")

    def way_elsewhere(self, seen):
        self.send(b"", 302, Location="file:///etc/passwd")

    def way_too_long(self, seen):
        """Says more than it sends, every time."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) + 1000))
        self.end_headers()
        self.wfile.write(CONTENT)
        self.close_connection = True

    def way_too_long_once(self, seen):
        """Says more than it sends, and the truth when asked for the rest."""
        start, body = self.send(length=len(CONTENT) + 1000 if seen == 1 else None) or (len(CONTENT), CONTENT)
        self.wfile.write(body[start:])
        self.close_connection = True

    def way_too_short(self, seen):
        """Says less than it sends."""
        start, body = self.send(length=1000)
        self.wfile.write(body[start:])
        self.close_connection = True

    def way_page(self, seen):
        _, body = self.send(b"<!DOCTYPE html><html><body>Please log in</body></html>", Content_Type="text/html; charset=utf-8")
        self.wfile.write(body)

    def way_page_as_text(self, seen):
        _, body = self.send(b"\n <html><body>Please log in</body></html>")
        self.wfile.write(body)

    def way_missing(self, seen):
        _, body = self.send(b"<html>404</html>", 404)
        self.wfile.write(body)

    def way_busy(self, seen):
        if seen < 3:
            _, body = self.send(b"busy", 503)
            self.wfile.write(body)
        else:
            self.way_good(seen)

    def way_always_busy(self, seen):
        _, body = self.send(b"busy", 503)
        self.wfile.write(body)

    def way_http(self, seen):
        """A proxy gets the whole URL: http://no.such.host/file.bin."""
        self.way_good(seen)

    def do_CONNECT(self):
        self.send_error(400)


Handler.way_http_ = Handler.way_http


@pytest.fixture(scope="module")
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.requests, made.stop = [], threading.Event()
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{made.server_address[1]}"
    yield made
    made.stop.set()
    made.shutdown()
    made.server_close()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    """Fetches /WAY/file.bin; returns (what fetch returns, the file's path)."""
    server.requests.clear()
    monkeypatch.setenv("no_proxy", "*")

    def fetch_way(way, sha256=None, **options):
        path = str(tmp_path / "file.bin")
        # Short only where nothing is to come, and often where what comes after it must arrive in time on a busy machine.
        waits = {"stall": (0.5, 100), "stall-forever": (0.5, 3)}.get(way, (600, 3))
        downloader = Downloader(**{"timeout": waits[0], "retries": waits[1], "wait": 0.01, "progress": False, **options})
        return downloader.fetch(f"{server.url}/{way}/file.bin", path, sha256), path

    return fetch_way


@pytest.mark.parametrize("way", ["good", "cut", "cut-no-range", "changed", "stall", "redirect", "hub", "busy", "too-long-once"])
def test_a_file_comes_whole_whatever_happens(way, fetch, tmp_path):
    entry, path = fetch(way)
    with open(path, "rb") as file:
        assert file.read() == CONTENT
    assert entry["sha256"] == SUM and entry["bytes"] == len(CONTENT) and entry["published"] == (way == "hub")
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    "way, words",
    [
        ("stall-forever", "nothing came for 0.5 s, 3 times"),
        ("redirect-loop", "redirect"),
        ("elsewhere", "redirect.*file:///etc/passwd|not allowed"),
        ("page", "a web page came instead"),
        ("page-as-text", "a web page came instead"),
        ("missing", "404"),
        ("always-busy", "503"),
        ("too-long", "broke off at byte 256,000 of 257,000"),
        ("hub-wrong", "not kept"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_no_file(way, words, fetch, tmp_path, server):
    with pytest.raises(UserError, match=words) as error:
        fetch({"redirect-loop": "loop"}.get(way, way))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "file.bin").exists()
    assert len(server.requests) <= 40


def test_a_length_that_is_too_short_is_taken_at_its_word_and_caught_by_the_checksum(fetch, tmp_path):
    with pytest.raises(UserError, match="not kept"):
        fetch("too-short", sha256=SUM)
    assert os.listdir(tmp_path) == []


def test_a_cut_download_goes_on_where_it_was(fetch, server):
    fetch("cut")
    starts = [headers.get("Range") for _, headers in server.requests]
    assert starts == [None] + [f"bytes={50_000 * i}-" for i in range(1, 6)]


def test_a_server_that_names_its_tag_once(fetch, server):
    assert fetch("cut-silent")[0]["sha256"] == SUM
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=100000-", "bytes=200000-"]


def test_a_killed_download_goes_on_where_it_was(fetch, server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:123_456])
    (tmp_path / "file.bin.part.tag").write_text('"one"')
    fetch("good")
    assert server.requests[0][1]["Range"] == "bytes=123456-" and (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_finished_part_is_not_loaded_again(fetch, server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    (tmp_path / "file.bin.part.tag").write_text('"one"')
    fetch("good")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT and len(server.requests) == 1


def test_a_part_without_a_tag_is_begun_anew(fetch, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"of another file")
    fetch("good")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_proxy(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "way_", Handler.way_good, raising=False)  # a proxy is asked for http://host/file
    Downloader(proxy=server.url, retries=1, progress=False).fetch("http://no.such.host.invalid/good/file.bin", str(tmp_path / "file.bin"))
    assert server.requests[-1][0] == "http://no.such.host.invalid/good/file.bin"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def source_of(*urls, **more):
    return Source(name="test", title="t", licence="CC0", citation="c", urls=urls, checksum="none", **more)


def test_get_notes_the_first_checksum_and_holds_later_downloads_to_it(server, tmp_path):
    folder = str(tmp_path / "test")
    downloader = Downloader(retries=1, progress=False)
    get(source_of(f"{server.url}/good/file.bin"), folder, downloader)
    note = json.loads((tmp_path / "test" / "source.json").read_text())
    assert note["licence"] == "CC0" and note["files"]["file.bin"]["sha256"] == SUM
    os.remove(os.path.join(folder, "file.bin"))
    with pytest.raises(UserError, match="was given earlier"):
        get(source_of(f"{server.url}/too-short/file.bin"), folder, downloader)
    get(source_of(f"{server.url}/good/file.bin"), folder, downloader)
    server.requests.clear()
    get(source_of(f"{server.url}/good/file.bin"), folder, downloader)
    assert server.requests == []  # it is there already


def test_get_of_many_books_goes_on_after_one_that_is_gone(server, tmp_path):
    source = source_of(f"{server.url}/{{book}}/x/{{book}}.txt", books=[["good", "A", "a"], ["missing", "B", "b"], ["redirect", "C", "c"]])
    with pytest.raises(UserError, match="1 files could not be had .missing.txt."):
        get(source, str(tmp_path / "books"), Downloader(retries=1, progress=False))
    assert sorted(os.listdir(tmp_path / "books")) == ["good.txt", "redirect.txt", "source.json"]


def test_two_sources_in_one_folder(server, tmp_path):
    source = source_of(f"{server.url}/good/a.bin")
    get(source, str(tmp_path), Downloader(progress=False))
    with pytest.raises(UserError, match="holds the source test"):
        get(dataclasses.replace(source, name="other"), str(tmp_path), Downloader(progress=False))
    with pytest.raises(UserError, match="is not an address"):
        Downloader(progress=False).fetch("http://[", str(tmp_path / "x"))


def test_get_from_a_mirror(server, tmp_path):
    get(source_of("https://no.such.host.invalid/good/file.bin"), str(tmp_path / "m"), Downloader(retries=1, progress=False), server.url)
    assert (tmp_path / "m" / "file.bin").read_bytes() == CONTENT


def test_the_list_of_sources():
    known = load_sources()
    assert {"tinystories", "tinystories-v2", "tinystories-valid", "simple-wikipedia", "african-storybook", "gutenberg-children"} <= set(
        known
    )
    assert len({book[0] for book in known["gutenberg-children"].books}) >= 200
    for source in known.values():
        assert source.licence and source.citation and source.checksum and source.title
        files = list(source.files())
        assert len({name for name, _ in files}) == len(files) and all(url.startswith("https://") for _, url in files)
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in source.sha256.values())


def test_the_commands():
    def call(*words):
        return subprocess.run([sys.executable, "-m", "fable6c.corpus", *words], capture_output=True, text=True)

    done = call("list")
    assert done.returncode == 0 and "gutenberg-children" in done.stdout and "synth" in done.stdout
    for words, status, says in (((), 2, "expected one of"), (("get", "tinystory"), 2, "did you mean `tinystories`"), (("get", "synth"), 2, "corpus synth"),
                                (("get", "tinystories", "--mirror", "x"), 2, "http://"), (("lst",), 2, "`lst`")):  # fmt: skip
        done = call(*words)
        assert done.returncode == status and says in done.stderr and done.stderr.count("\n") == 1, words
    done = call("get", "--help")
    assert done.returncode == 0 and done.stdout.index("example:") < 400


@pytest.mark.skipif(sys.platform == "win32", reason="a folder is locked in another way there")
def test_a_second_download_into_one_folder_is_refused(tmp_path):
    with locked(str(tmp_path), "download", "-o"), pytest.raises(UserError, match="another download is running there"):
        sources.main(["get", "tinystories", "-o", str(tmp_path), "--mirror", "http://127.0.0.1:9"])
    assert os.listdir(tmp_path) == []


def test_sources_files_that_are_wrong(tmp_path):
    for text in ("[a]\nurl = 1", "x", "[a]\ntitle='t'"):
        (tmp_path / "s.toml").write_text(text)
        with pytest.raises(UserError, match="not a list of sources|is not valid TOML"):
            load_sources(str(tmp_path / "s.toml"))
    with pytest.raises(UsageError, match="above 0"):
        sources.main(["get", "tinystories", "--timeout", "0"])
