"""Signed items of the DHT (BEP 44), and storing them there. libtorrent stores only with the secret key; here the item is signed before, in a process that talks to
nobody, and whoever has it may store it.

The DHT forgets an item after two hours. So a series outlives its publisher while one of those who follow it serves.
"""

import contextlib
import dataclasses
import hashlib
import os
import re
import socket
import time
from collections.abc import Sequence
from typing import Any, Optional

from fable6c.errors import UserError
from fable6c.files import open_file
from fable6c.sharing.manifest import public_key, sign_bytes

Address = tuple[str, int]

COPIES = 8  # members that keep an item, the closest to its target
MAX_ASKED = 100
ANSWER_SECONDS = 1.0
MAX_PACKET = 4096
MAX_ITEM = 1000
# Always the same, because libtorrent remembers who stored something, though nobody answers there: one such name is enough.
NAME = os.urandom(20)


@dataclasses.dataclass(frozen=True)
class Item:
    """A mutable item as its key signed it: `signature` is that of BEP 44 over salt, sequence and value, no manifest's."""

    key: bytes
    salt: bytes
    value: bytes
    sequence: int
    signature: bytes

    @property
    def target(self) -> bytes:
        """Where it is kept (BEP 44): SHA-1 of the key and the salt."""
        return hashlib.sha1(self.key + self.salt).digest()

    @property
    def signed(self) -> bytes:
        """What is signed (BEP 44, "signature verification")."""
        return b"4:salt%d:%s3:seqi%de1:v%d:%s" % (len(self.salt), self.salt, self.sequence, len(self.value), self.value)


def sign_item(key: bytes, name: str, value: bytes, sequence: int) -> Item:
    """A manifest as the newest item of the series `name` of a secret key. Its number is the manifest's, so who stores it again need not know which number is next."""
    item = Item(bytes.fromhex(public_key(key)), name.encode("ascii"), value, sequence, b"")
    return dataclasses.replace(item, signature=sign_bytes(item.signed, key))


def item_bytes(item: Item) -> bytes:
    """A bencoded dictionary, as the DHT names its parts."""
    parts = (len(item.salt), item.salt, item.sequence, item.signature, len(item.value), item.value)
    return b"d1:k32:%s" % item.key + b"4:salt%d:%s3:seqi%de3:sig64:%s1:v%d:%se" % parts


def parse_item(data: bytes) -> Optional[Item]:
    """The item that `item_bytes` made these bytes of; None if it made none such."""
    found = re.fullmatch(
        rb"d1:k32:(.{32})4:salt\d{1,3}:(.*)3:seqi(-?\d{1,19})e3:sig64:(.{64})1:v\d{1,4}:(.*)e", data[: 2 * MAX_ITEM], re.DOTALL
    )
    if found is None:
        return None
    key, salt, sequence, signed, value = found.groups()
    item = Item(key, salt, value, int(sequence), signed)
    return item if item_bytes(item) == data else None


def read_item(path: str) -> Optional[Item]:
    """The item in a file; None where there is none that is right."""
    with contextlib.suppress(OSError, UserError):
        with open_file(path) as file:
            return parse_item(file.read(2 * MAX_ITEM))
    return None


def keep(item: Item, begin: Sequence[Address], host: str, library: Any, seconds: float = 30.0, mine: Sequence[Address] = ()) -> int:
    """Store an item with the members closest to its target, found from those at `begin` and from `mine`, which are this peer's own; `host`: the own address.
    Returns how many others took it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ends = time.monotonic() + seconds
    with socket.socket(family, socket.SOCK_DGRAM) as here:
        here.bind((host, 0))
        known: dict[Address, int] = dict.fromkeys([*mine, *begin], 1 << 160)  # the distance of who has not said its name is the largest
        tokens: dict[Address, bytes] = {}
        asked: set[Address] = set()
        while len(asked) < MAX_ASKED and time.monotonic() < ends:
            near = sorted(known, key=lambda address: known[address])[:COPIES]
            next_ones = [address for address in known if address not in asked and (known[address] == 1 << 160 or address in near)]
            if not next_ones:
                break
            for address in next_ones:
                asked.add(address)
                _send(here, address, b"get", {b"id": NAME, b"target": item.target}, library)
            for address, answer in _answers(here, next_ones, library):
                name, token = answer.get(b"id"), answer.get(b"token")
                if isinstance(token, bytes) and isinstance(name, bytes) and len(name) == 20 and len(token) <= 100:
                    known[address], tokens[address] = _distance(name, item.target), token
                known.update({other: far for other, far in _nodes(answer, item.target, family).items() if other not in known})
            for address in next_ones:
                if address not in tokens:
                    known.pop(address)  # it did not answer
        closest = sorted(tokens.keys() - set(mine), key=lambda address: known.get(address, 1 << 160))[:COPIES]
        for address in [*closest, *(own for own in mine if own in tokens)]:
            said = {
                b"id": NAME,
                b"token": tokens[address],
                b"v": item.value,
                b"k": item.key,
                b"sig": item.signature,
                b"seq": item.sequence,
                b"salt": item.salt,
            }
            _send(here, address, b"put", said, library)
        return len(_answers(here, closest, library))


def _distance(name: bytes, target: bytes) -> int:
    return int.from_bytes(name, "big") ^ int.from_bytes(target, "big")


def _nodes(answer: dict, target: bytes, family: int) -> dict[Address, int]:
    """The members that an answer names (BEP 5, "compact node info"; BEP 32 for IPv6)."""
    packed = answer.get(b"nodes6" if family == socket.AF_INET6 else b"nodes")
    size = 38 if family == socket.AF_INET6 else 26
    found: dict[Address, int] = {}
    if not isinstance(packed, bytes):
        return found
    for at in range(0, len(packed) - size + 1, size):
        one = packed[at : at + size]
        port = int.from_bytes(one[-2:], "big")
        if port:
            found[socket.inet_ntop(family, one[20:-2]), port] = _distance(one[:20], target)
    return found


def _send(here: socket.socket, address: Address, query: bytes, arguments: dict, library: Any) -> None:
    """Ask as one who answers nobody (BEP 43, "ro")."""
    with contextlib.suppress(OSError):
        here.sendto(library.bencode({b"t": b"f6", b"y": b"q", b"q": query, b"a": arguments, b"ro": 1}), address)


def _answers(here: socket.socket, asked: Sequence[Address], library: Any) -> list[tuple[Address, dict]]:
    """What those who were asked answer, until all have or nothing comes for a second."""
    found: dict[Address, dict] = {}
    here.settimeout(ANSWER_SECONDS)
    while len(found) < len(asked):
        try:
            packet, sender = here.recvfrom(MAX_PACKET)
        except OSError:
            break
        with contextlib.suppress(RuntimeError, KeyError, TypeError):
            said = library.bdecode(packet)
            address = (sender[0], sender[1])
            if address in asked and said[b"y"] == b"r" and isinstance(said[b"r"], dict):
                found[address] = said[b"r"]
            elif address in asked and said[b"y"] == b"e":  # an error: it took nothing
                asked = [other for other in asked if other != address]
    return list(found.items())
