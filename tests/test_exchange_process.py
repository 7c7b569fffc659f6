"""libtorrent's own process may end at any time: what asked it goes on, and what was said of it is one line."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from fable6c.sharing import desk, peer
from fable6c.sharing import manifest as manifests
from fable6c.sharing.manifest import Manifest
from fable6c.sharing.peer import Ended, Peer
from fable6c.sharing.shelf import Shelf

lt = pytest.importorskip("libtorrent", reason="libtorrent is not installed: make .venv/exchange")
pytest.importorskip("cryptography", reason="cryptography is not installed: make .venv/exchange")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")

GOLDEN = os.path.join(os.path.dirname(__file__), "golden", "model.f6c")
HERE = ("127.0.0.1", 0)
PATIENCE = 300.0  # seconds until a test that hangs says so


def until(what):
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.02)


def kill(one):
    os.kill(one.child.pid, signal.SIGSEGV)


def offered(folder, size):
    """A manifest of random bytes, which lie in the folder."""
    data = random.Random(size).randbytes(size)
    size, sha256, root = manifests.hashes([data[at : at + manifests.BLOCK] for at in range(0, size, manifests.BLOCK)])
    manifest = Manifest("ab" * 32, "small", "model", 1, 0, sha256, root, size, "MIT")
    folder.mkdir()
    (folder / manifest.file_name).write_bytes(data)
    return manifest, data


def test_a_download_goes_on_where_libtorrent_ended(tmp_path, capfd):
    """Its process is killed in the middle; the next one begins with what was saved."""
    manifest, data = offered(tmp_path / "from", 1_500_000)
    (tmp_path / "to").mkdir()
    heard = []

    def saved():
        with contextlib.suppress(OSError, RuntimeError):
            return sum(lt.read_resume_data((tmp_path / "to" / "resume").read_bytes()).have_pieces) * 32768
        return 0

    class Watched(Peer):
        def _request(self, read, method, arguments, seconds=0.0, told=None):
            def hear(done):
                heard.append((self.crashes, done))
                told(done)

            return super()._request(read, method, arguments, seconds, told and hear)

    with Peer(HERE, up=1 << 20) as seeder, Watched(HERE, down=700_000) as reader:
        seeder.seed(manifest, str(tmp_path / "from" / manifest.file_name))

        def kill_it():
            until(lambda: saved() > 200_000)
            kill(reader)

        killer = threading.Thread(target=kill_it)
        killer.start()
        path = reader.fetch(manifest, str(tmp_path / "to"), [(HERE[0], seeder.port)], PATIENCE)
        killer.join()
        assert open(path, "rb").read() == data and os.listdir(tmp_path / "to") == [manifest.file_name]
        assert reader.crashes == 1 and next(done for crashes, done in heard if crashes and done) > 200_000
    assert capfd.readouterr().err.count("libtorrent was ended by SIGSEGV, which a peer that lies can bring about") == 1


def test_it_gives_up_in_one_line(tmp_path, monkeypatch, capfd):
    """Where the process ends each time, and where it answers nothing, or what is no answer."""
    manifest, _ = offered(tmp_path / "from", 100)
    begin = "import sys; sys.stdin.readline(); print('{\"value\": 7}', flush=True); sys.stdin.readline(); "
    with Peer(HERE) as reader:
        monkeypatch.setattr(peer, "RESTARTS", 1)
        for end, words in (
            ("import os; os.abort()", "was ended by SIGABRT"), ("sys.exit(3)", "ended with status 0x3"), ("print('[')", "answers nothing that makes sense"),
            ("print('{\"value\": 7}' * 100000)", "libtorrent "), ("print('{\"done\": \"x\"}')", "answers nothing that makes sense"),
        ):  # fmt: skip
            monkeypatch.setattr(peer, "PROGRAM", ["-c", begin + end])
            reader.close()
            crashes = reader.crashes
            with pytest.raises(Ended, match=words) as error:
                reader.get(manifest.key, "small", PATIENCE, progress=False)
            assert "\n" not in str(error.value) and "the same command goes on" in str(error.value) and reader.crashes == crashes + 2
        monkeypatch.setattr(peer, "PROGRAM", ["-c", "input(); input()"])
        monkeypatch.setattr(peer, "SILENT_SECONDS", 0.1)
        with pytest.raises(Ended, match="does not answer"):
            reader.seed(manifest, str(tmp_path / "from" / manifest.file_name))
    assert not capfd.readouterr().err


def test_what_is_offered_is_offered_again(tmp_path, monkeypatch, capfd):
    """`serve` starts libtorrent again at the same port, after a pause that grows, and says so once each time."""
    monkeypatch.setattr(desk, "RESCAN_SECONDS", 0.05)
    monkeypatch.setattr(desk, "FIRST_PAUSE", 0.1)
    servers, seeded, seed = [], [], Peer.seed

    def watched(self, *arguments):
        seed(self, *arguments)
        servers.append(self)
        seeded.append(self.port)

    monkeypatch.setattr(Peer, "seed", watched)
    key, folder = str(tmp_path / "my.key"), str(tmp_path / "published")
    public, _ = desk.key_of(key)
    desk.publish(Shelf(folder), GOLDEN, key, "small", "MIT")
    stop = threading.Event()
    serving = threading.Thread(target=desk.serve, args=(Shelf(folder), None, HERE, 1 << 20, [], False, [], stop))
    serving.start()
    try:
        for number in range(1, 4):
            until(lambda number=number: len(seeded) == number)
            if number < 3:
                kill(servers[0])
        assert len(set(seeded)) == 1 and servers[0].crashes == 2
        # Of the folder the manifest alone is here: its file comes from who serves it.
        (tmp_path / "manifests" / public).mkdir(parents=True)
        (tmp_path / "manifests" / public / "small.f6m").write_bytes(Shelf(folder).held(public, "small")[1])
        network = desk.Network(sources=[str(tmp_path / "manifests")], peers=[(HERE[0], seeded[0])], progress=False)
        found = desk.fetch(Shelf(str(tmp_path / "fetched")), public, "small", network)
        assert open(found.path, "rb").read() == open(GOLDEN, "rb").read()
    finally:
        stop.set()
        serving.join()
    said = capfd.readouterr().out
    assert said.count("libtorrent was ended by SIGSEGV") == 2 and said.count("number 1") == 1
    assert "in 0.1 s it is started again and offers everything again" in said and "in 0.2 s it" in said


def test_it_ends_with_who_asked(tmp_path):
    """A process that is stopped or killed takes libtorrent with it in the middle of a download: what came is saved, and no port stays taken."""
    manifest, _ = offered(tmp_path / "from", 1_500_000)
    script = (
        "import json, sys; from fable6c.sharing.peer import Peer; from fable6c.sharing.manifest import Manifest\n"
        "with Peer(('127.0.0.1', 0), down=200_000) as peer:\n"
        "    print(json.dumps([peer.child.pid, peer.port]), flush=True)\n"
        "    peer.fetch(Manifest(**json.loads(sys.argv[1])), sys.argv[2], [('127.0.0.1', int(sys.argv[3]))], 1000.0, progress=False)\n"
    )
    with Peer(HERE, up=1 << 20) as seeder:
        seeder.seed(manifest, str(tmp_path / "from" / manifest.file_name))
        askers = []
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            folder = tmp_path / f"to-{how}"
            folder.mkdir()
            arguments = [json.dumps(vars(manifest)), str(folder), str(seeder.port)]
            asker = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            askers.append((how, folder, asker))
        for how, folder, asker in askers:
            with asker.stdout:
                child, port = json.loads(asker.stdout.readline())
            until((folder / manifest.file_name).exists)
            asker.send_signal(how)
            assert asker.wait() != 0
            until(lambda child=child: not alive(child))
            socket.create_server((HERE[0], port)).close()
            assert (folder / "resume").exists()
    socket.create_server((HERE[0], seeder.port)).close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
