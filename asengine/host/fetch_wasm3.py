"""Fetch the interpreter core that the native program is built on: `python asengine/host/fetch_wasm3.py build/wasm3`.

wasm3 0.5.0 (MIT) is not copied into this repository. The source distribution of `pywasm3` on the Python package index
carries the complete core, and the same release runs the engine from Python. pip downloads it from whatever index it is
configured for and checks the SHA-256 below before it opens the archive; without a network, put the archive into `build/`.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

VERSION = "0.5.0"
SHA256 = "5a47c8a39f7f6ae71b3316b2e5d86c9d0db6e771a65f09a86e4d4aa3a19aefcc"
ARCHIVE = f"pywasm3-{VERSION}.tar.gz"


def download(folder: str) -> None:
    """Put the archive into `folder`. pip is the client, so that a configured mirror, proxy or cache is used."""
    with tempfile.TemporaryDirectory() as scratch:
        requirements = os.path.join(scratch, "requirements.txt")
        with open(requirements, "w") as file:
            file.write(f"pywasm3=={VERSION} --hash=sha256:{SHA256}\n")
        # Without build isolation pip would fetch a second setuptools, only to read the name in setup.py.
        flags = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", *flags]
        result = subprocess.run([*command, "-r", requirements, "-d", folder], stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.stderr.write(result.stderr)
        sys.exit(f"wasm3 could not be downloaded (see above); connect to the internet once, or put {ARCHIVE} into {folder}/")


def main() -> None:
    target = sys.argv[1]
    folder = os.path.dirname(target) or "."
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, ARCHIVE)
    if not os.path.exists(path):
        download(folder)
    with open(path, "rb") as file:
        archive = file.read()
    found = hashlib.sha256(archive).hexdigest()
    if found != SHA256:
        sys.exit(f"{path} has SHA-256 {found}, expected {SHA256}; delete it and run this again")

    # Only the files of the core, one by one and by base name: no path in the archive decides where something is written.
    scratch = target + ".partial"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    prefix = f"pywasm3-{VERSION}/"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            if member.isfile() and (member.name.startswith(prefix + "wasm3/") or member.name == prefix + "LICENSE"):
                with open(os.path.join(scratch, os.path.basename(member.name)), "wb") as file:
                    file.write(tar.extractfile(member).read())
    shutil.rmtree(target, ignore_errors=True)
    os.rename(scratch, target)


if __name__ == "__main__":
    main()
