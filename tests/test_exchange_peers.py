"""Exchange by BitTorrent and its DHT, between peers in network namespaces of this machine."""

import dataclasses
import os
import subprocess
import sys

import pytest

from exchange_peers import Room, missing
from fable6c.errors import UserError
from fable6c.sharing import keys
from fable6c.sharing import manifest as manifests
from fable6c.sharing.bittorrent import Session, describe
from fable6c.sharing.dht import Item, item_bytes, keep, parse_item, read_item, sign_item
from fable6c.sharing.manifest import Manifest
from fable6c.sharing.peer import Peer
from fable6c.sharing.shelf import Shelf

lt = pytest.importorskip("libtorrent", reason="libtorrent is not installed: make .venv/exchange")
pytest.importorskip("cryptography", reason="cryptography is not installed: make .venv/exchange")
WHY_NOT = missing()

PATIENCE = 300.0  # seconds until a test that hangs says so
GOLDEN = os.path.join(os.path.dirname(__file__), "golden", "model.f6c")
needs_rooms = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the constructor that libtorrent 2.0 has too
def test_the_torrent_follows_from_the_manifest(tmp_path):
    """libtorrent makes the same one of the file."""
    path = tmp_path / "small-1.f6c"
    path.write_bytes(bytes(range(256)) * 200)
    size, sha256, root = manifests.file_hashes(str(path))
    manifest = Manifest("ab" * 32, "small", "model", 1, 0, sha256, root, size, "MIT")
    parameters = lt.load_torrent_buffer(lt.bencode({b"info": describe(manifest)}))
    files = lt.file_storage()
    files.add_file("small-1.f6c", size)
    made = lt.create_torrent(files, 32768, lt.create_torrent.v2_only)
    lt.set_piece_hashes(made, str(tmp_path))
    assert lt.torrent_info(made.generate()).info_hashes().v2 == parameters.info_hashes.v2


def test_an_item_is_signed_as_the_dht_wants_it():
    """BEP 44, "test vectors", test 2: its signature is right for what we sign, and its target is ours."""
    public = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
    signature = bytes.fromhex(
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17ddf9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"
    )
    item = Item(public, b"foobar", b"Hello World!", 1, signature)
    assert item.signed == b"4:salt6:foobar3:seqi1e1:v12:Hello World!"
    assert item.target.hex() == "411eba73b6f087ca51a3795d9c8c938d365e32c1"
    manifests._check(public.hex(), signature, item.signed)
    key = manifests.new_key()
    mine = sign_item(key, "small", b"x" * 995, 7)
    manifests._check(manifests.public_key(key), mine.signature, mine.signed)
    written = item_bytes(mine)
    assert written == lt.bencode({b"k": mine.key, b"salt": mine.salt, b"v": mine.value, b"seq": mine.sequence, b"sig": mine.signature})
    assert parse_item(written) == mine
    for wrong in (written[:-1], written + b"e", written.replace(b"i7e", b"i07e"), written.replace(b"5:small", b"4:small"), b"", b"de"):
        assert parse_item(wrong) is None


@pytest.fixture
def maker(tmp_path):
    """The paths of a publisher's folder and key, and its public key."""
    key = str(tmp_path / "my.key")
    return str(tmp_path / "published"), key, manifests.public_key(keys.make_key(key))


def publish(room, maker):
    room.run("a", "publish", GOLDEN, "--key", maker[1], "--name", "small", "--licence", "MIT", "--folder", maker[0])


@pytest.mark.slow
@needs_rooms
def test_by_the_public_key_alone_and_the_publisher_may_die(tmp_path, maker):
    """a publishes; b finds the file with the key and one member of the DHT; a is killed; c gets the file from b, and the manifest from the DHT, where d
    keeps it."""
    folder, key, public = maker
    with Room("abcd") as room:
        node = f"{room.address('d')}:7000"
        room.start("d", "serve", "--listen", node, "--up", "1000", "--folder", tmp_path / "d", until="BitTorrent at")
        publish(room, maker)
        a = f"{room.address('a')}:7000"
        publisher = room.start(
            "a", "serve", "--listen", a, "--node", node, "--up", "10000", "--key", key, "--folder", folder, until="number 1"
        )
        by_torrent = ("--node", node, "--listen")
        room.run("b", "fetch", f"{public}/small", *by_torrent, f"{room.address('b')}:7000", "--peer", a, "--folder", tmp_path / "b")
        assert (tmp_path / "b" / public / "small-1.f6c").read_bytes() == open(GOLDEN, "rb").read()
        room.stop(publisher)
        b = f"{room.address('b')}:7001"
        room.start("b", "serve", "--listen", b, "--node", node, "--up", "10000", "--folder", tmp_path / "b", until="number 1")
        room.run("c", "fetch", f"{public}/small", *by_torrent, f"{room.address('c')}:7000", "--peer", b, "--folder", tmp_path / "c")
        assert (tmp_path / "c" / public / "small-1.f6c").read_bytes() == open(GOLDEN, "rb").read()


@pytest.mark.slow
@needs_rooms
def test_a_forged_and_a_replayed_pointer(tmp_path, maker):
    """Who has the key may put anything into the DHT, and who keeps an old value may give it again: the manifest in it is judged all the same."""
    folder, key, public = maker
    with Room("ab") as room:
        publish(room, maker)
        shelf = Shelf(folder)
        first = shelf.held(public, "small")[1]
        room.run("b", "fetch", f"{public}/small", "--from", folder, "--folder", tmp_path / "b")
        publish(room, maker)
        room.run("b", "fetch", f"{public}/small", "--from", folder, "--folder", tmp_path / "b")
        for value, words in (
            (first, "an old manifest was played again"),
            (first[:-9] + b"00000000\n", "was changed or forged"),
            (b"x" * 900, "no manifest"),
        ):
            script = (
                "from fable6c.sharing import keys; from fable6c.sharing.dht import sign_item; from fable6c.sharing.peer import Peer; import time\n"
                f"peer = Peer(({room.address('a')!r}, 7000), up=1000, dht=True); print('listening', flush=True)\n"
                f"item = sign_item(keys.read_key({key!r}), 'small', {value!r}, 1)\n"
                "while not peer.keep(item): time.sleep(1)\n"
                "time.sleep(1000)"
            )
            forger = subprocess.Popen(room.command("a", sys.executable, "-c", script), stdout=subprocess.PIPE)
            room.started.append(forger)
            assert forger.stdout.readline() == b"listening\n"
            said = room.run(
                "b", "fetch", f"{public}/small", "--node", f"{room.address('a')}:7000", "--listen", f"{room.address('b')}:0", "--folder", tmp_path / "b",
                "--minutes", "1", status=1,
            )  # fmt: skip
            assert words in said and said.count("\n") == 1
            room.stop(forger)
        assert Shelf(str(tmp_path / "b")).held(public, "small")[0].sequence == 2


@pytest.mark.slow
@needs_rooms
def test_flipped_bytes_and_a_restart_in_the_middle(tmp_path, maker):
    """A seeder with a wrong byte does not get it through; what is right stays, and the next one gives the rest."""
    folder, _, public = maker
    with Room("abc") as room:
        publish(room, maker)
        manifest = Shelf(folder).held(public, "small")[0]
        a, b = (f"{room.address(peer)}:7000" for peer in "ab")
        # b's seeder has the file whole when it begins, and then a byte of it turns.
        room.run("b", "fetch", f"{public}/small", "--from", folder, "--folder", tmp_path / "b")
        room.start("b", "serve", "--listen", b, "--up", "10000", "--folder", tmp_path / "b", until="number 1")
        bad = tmp_path / "b" / public / manifest.file_name
        data = bytearray(bad.read_bytes())
        data[-100] ^= 1
        with open(bad, "r+b") as file:  # in place, as a disk would
            file.write(data)
        pieces = ("--from", tmp_path / "manifests", "--listen", f"{room.address('c')}:0", "--folder", tmp_path / "c")
        (tmp_path / "manifests" / public).mkdir(parents=True)
        (tmp_path / "manifests" / public / "small.f6m").write_bytes(Shelf(folder).held(public, "small")[1])
        said = room.run("c", "fetch", f"{public}/small", *pieces, "--peer", b, "--minutes", "1", "--max-size", "1M", status=1)
        assert "the same command goes on from there" in said
        assert not (tmp_path / "c" / public / "small.f6m").exists()
        room.start("a", "serve", "--listen", a, "--up", "10000", "--folder", folder, until="number 1")
        room.run("c", "fetch", f"{public}/small", *pieces, "--peer", a)
        assert (tmp_path / "c" / public / "small-1.f6c").read_bytes() == open(GOLDEN, "rb").read()
        assert not os.listdir(tmp_path / "c" / public / "incoming")


def test_nothing_is_uploaded_that_nobody_allowed():
    """The settings of a session that only fetches, and of one on an address of its own."""
    peer = Session(("127.0.0.1", 0))  # in this process, which nobody talks to
    settings = peer.session.get_settings()
    assert settings["unchoke_slots_limit"] == 0 and settings["allowed_fast_set_size"] == 0
    quiet = ("enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp")
    assert not any(settings[name] for name in quiet) and settings["dht_bootstrap_nodes"] == ""
    with pytest.raises(UserError, match="cannot be used .* a free port"):
        Session(("127.0.0.1", peer.port))
    settings = Session(("127.0.0.1", 0), up=3000, down=2000, nodes=[("127.0.0.1", 9)]).session.get_settings()
    assert (settings["upload_rate_limit"], settings["download_rate_limit"]) == (3000, 2000)
    assert settings["dht_bootstrap_nodes"] == "127.0.0.1:9" and settings["enable_dht"]


def test_an_item_outlives_all_who_had_it(tmp_path):
    """Who fetched it stores it with members that came later; what was changed or is older they refuse."""
    key, here = manifests.new_key(), "127.0.0.1"
    public, item = manifests.public_key(key), sign_item(key, "small", b"one", 1)
    (tmp_path / "small.item").write_bytes(item_bytes(item))
    assert read_item(str(tmp_path / "small.item")) == item and read_item(str(tmp_path / "none")) is None
    (tmp_path / "small.item").write_bytes(b"d1:ki3ee")
    assert read_item(str(tmp_path / "small.item")) is None
    with Peer((here, 0), dht=True) as third:
        members = [(here, third.port)]
        assert keep(dataclasses.replace(item, value=b"two"), members, here, lt) == 0
        assert keep(item, members, here, lt) == 1
        assert keep(dataclasses.replace(item, sequence=item.sequence - 1), members, here, lt) == 0
        with Peer((here, 0), nodes=members) as fourth:
            assert fourth.get(public, "small", PATIENCE) == [b"one"] and fourth.items == {b"one": item}
            assert fourth.keep(item) == 1
        assert keep(item, [(here, 9)], here, lt) == 0  # nobody is there
