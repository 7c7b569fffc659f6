"""A signed manifest: what a publisher says about one file. docs/exchange.md, "The manifest", is the contract.

    key = new_key()                                      # 32 bytes, secret
    manifest = Manifest(key=public_key(key), name="small", sequence=1, …)
    data = sign(manifest, key)                           # at most 995 bytes, which fit into one item of the DHT
    manifest = decode(data)                              # the same, its signature checked, or a UserError

The bytes are canonical: JSON of the fields in alphabetical order without blanks, a newline, the Ed25519 signature (RFC 8032) in hex, a newline.
What does not encode to itself again is refused, so that there is one way to write a manifest, and nothing in it that nobody checked.
"""

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterable
from typing import Any, Callable

from fable6c.cli import harmless
from fable6c.errors import UserError
from fable6c.files import open_file

VERSION = 1
MAX_BYTES = 995  # BEP 44: a value has at most 1,000 bytes, of which "995:" are four
KINDS = {"model": ".f6c", "update": ".f6u", "corpus": ".txt.zst"}
MAX_SEQUENCE = 2**53 - 1
MAX_FILE_BYTES = 1 << 40
MAX_EXPIRES = 1 << 40  # seconds since 1970
MAX_SUCCESSORS = 64
BLOCK = 16384  # of BitTorrent v2: the leaves of a file's tree
HEX64, HEX128 = r"[0-9a-f]{64}", r"[0-9a-f]{128}"
NAME = r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?"
SIGNED, ACCEPTED = b"fable6c manifest 1\n", b"fable6c successor 1\n"  # so that a signature of one kind is none of the other
SIGNATURE_BYTES = 64
LACKING = "cryptography is not installed, which signs and checks manifests; run: pip install 'fable6c[exchange]'"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """key, successor: Ed25519 public keys; sha256, parent: of whole files; root: of the file's BitTorrent v2 tree; all in hex.

    name       of the series: each later file has the same name and a larger sequence
    expires    seconds since 1970; later, nobody takes the manifest any more
    parent     the model that this one was made from, or that an update changes; "" for none
    run        a word for the training run that updates belong to; "" for none
    about      the model card in a sentence
    successor  the key that signs what comes next, "" while that is this one; accepted: its own signature, that it does
    """

    key: str
    name: str
    kind: str
    sequence: int
    expires: int
    sha256: str
    root: str
    size: int
    licence: str
    about: str = ""
    parent: str = ""
    run: str = ""
    successor: str = ""
    accepted: str = ""
    version: int = VERSION

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.sequence}{KINDS[self.kind]}"


def _pattern(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _number(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _words(most: int) -> Callable[[Any], bool]:
    """One line of text of at most so many bytes, without what would drive a terminal."""
    return lambda value: (
        isinstance(value, str) and len(value.encode("utf-8", "replace")) <= most and harmless(value) == value and "\n" not in value
    )


ALLOWED: dict[str, Callable[[Any], bool]] = {
    "about": _words(240),
    "accepted": _pattern(f"({HEX128})?"),
    "expires": _number(0, MAX_EXPIRES),
    "key": _pattern(HEX64),
    "kind": lambda value: isinstance(value, str) and value in KINDS,
    "licence": _words(60),
    "name": _pattern(NAME),
    "parent": _pattern(f"({HEX64})?"),
    "root": _pattern(HEX64),
    "run": _pattern("[A-Za-z0-9._-]{0,40}"),
    "sequence": _number(1, MAX_SEQUENCE),
    "sha256": _pattern(HEX64),
    "size": _number(1, MAX_FILE_BYTES),
    "successor": _pattern(f"({HEX64})?"),
    "version": _number(VERSION, VERSION),
}


def body(manifest: Manifest) -> bytes:
    """The signed bytes. UserError that names the first field out of its bounds."""
    fields = dataclasses.asdict(manifest)
    for name, allowed in ALLOWED.items():
        if not allowed(fields[name]):
            raise UserError(f"the manifest's {name} is not allowed ({str(fields[name])[:80]!r}); docs/exchange.md has its bounds")
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def sign(manifest: Manifest, key: bytes) -> bytes:
    """The manifest's bytes, signed. UserError where they would be too many."""
    said = body(manifest)
    data = said + sign_bytes(SIGNED + said, key).hex().encode("ascii") + b"\n"
    if len(data) > MAX_BYTES:
        raise UserError(f"the manifest has {len(data)} bytes, {MAX_BYTES} at most are allowed; shorten --about by {len(data) - MAX_BYTES}")
    return data


def decode(data: bytes) -> Manifest:
    """The manifest in a file's, a server's or a stranger's bytes, its signature checked. UserError, one line, for all else."""
    if len(data) > MAX_BYTES:
        raise UserError(f"this is no manifest: it has more than {MAX_BYTES} bytes")
    said, signature = data[: -2 * SIGNATURE_BYTES - 1], data[-2 * SIGNATURE_BYTES - 1 :]
    try:
        fields = json.loads(said.decode("utf-8"))
        manifest = Manifest(**fields)
        canonical = body(manifest)
    except (ValueError, TypeError, RecursionError, UserError):
        raise UserError("this is no manifest: its fields are not those that a manifest has") from None
    if canonical != said or not re.fullmatch(HEX128 + "\n", signature.decode("latin-1")):
        raise UserError("this is no manifest: it is not written as a manifest is")
    if bool(manifest.successor) != bool(manifest.accepted):
        raise UserError("this is no manifest: a successor and its signature come together")
    _check(manifest.key, bytes.fromhex(signature[:-1].decode("ascii")), SIGNED + said)
    if manifest.successor:
        _check(manifest.successor, bytes.fromhex(manifest.accepted), ACCEPTED + bytes.fromhex(manifest.key) + manifest.name.encode("ascii"))
    return manifest


def accept_succession(old_key: str, name: str, new_key: bytes) -> str:
    """What the new key signs to take over the series `name` of the old one (hex)."""
    return sign_bytes(ACCEPTED + bytes.fromhex(old_key) + name.encode("ascii"), new_key).hex()


# ---- what a manifest says of a file


def hashes(blocks: Iterable[bytes]) -> tuple[int, str, str]:
    """Size, SHA-256 and v2 root of a file, given in blocks of 16,384 bytes, the last one shorter (BEP 52, "merkle tree").

    The leaves are hashes of the blocks; their number is filled up with zeros to a power of two.
    """
    size, whole, leaves = 0, hashlib.sha256(), []
    for block in blocks:
        size += len(block)
        whole.update(block)
        leaves.append(hashlib.sha256(block).digest())
    leaves += [bytes(32)] * ((1 << max(0, len(leaves) - 1).bit_length()) - len(leaves))
    while len(leaves) > 1:
        leaves = [hashlib.sha256(left + right).digest() for left, right in zip(leaves[::2], leaves[1::2])]
    return size, whole.hexdigest(), leaves[0].hex() if leaves else bytes(32).hex()


def file_hashes(path: str) -> tuple[int, str, str]:
    """The same of a file. UserError where it cannot be read."""
    try:
        with open_file(path) as file:
            return hashes(iter(lambda: file.read(BLOCK), b""))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None


# ---- keys


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UserError(LACKING) from None
    return ed25519


def new_key() -> bytes:
    """A secret key: 32 random bytes (RFC 8032, section 5.1.5)."""
    return os.urandom(32)


def public_key(key: bytes) -> str:
    """The public key of a secret one, in hex."""
    return _library().Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw().hex()


def sign_bytes(message: bytes, key: bytes) -> bytes:
    """The Ed25519 signature of a message: 64 bytes."""
    return _library().Ed25519PrivateKey.from_private_bytes(key).sign(message)


def _check(key: str, signature: bytes, message: bytes) -> None:
    ed25519 = _library()
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise UserError(f"the signature of the manifest is not that of {key[:16]}…; it was changed or forged") from None
