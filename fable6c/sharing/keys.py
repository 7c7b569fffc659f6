"""Secret keys as files: PKCS #8 in PEM, which openssl reads too, for their owner alone to read."""

import contextlib
import os
import stat

from fable6c.errors import UserError
from fable6c.files import ADVICE, open_file
from fable6c.sharing import manifest as manifests

MAX_KEY_BYTES = 4096


def make_key(path: str) -> bytes:
    """Make a key and write it to a new file. UserError where there is one already: a lost key cannot be made again."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UserError(manifests.LACKING) from None
    key = manifests.new_key()
    text = ed25519.Ed25519PrivateKey.from_private_bytes(key).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UserError(f"{path}: is there already and stays as it is; name a new file for a new key") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); {ADVICE.get(error.errno or 0, 'choose another folder')}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(path)
        raise
    return key


def read_key(path: str) -> bytes:
    """The secret key in a file. UserError for what is none, or what others may read."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UserError(manifests.LACKING) from None
    try:
        with open_file(path) as file:
            text = file.read(MAX_KEY_BYTES)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make a key with `python -m fable6c.exchange key {path}`") from None
    if os.name != "nt" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(f"{path}: others can read this secret key; run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(text, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UserError(f"{path}: is no secret key of Ed25519 without a passphrase; make one with `python -m fable6c.exchange key`")
    return key.private_bytes_raw()
