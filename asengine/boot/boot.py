"""Boot the i586 program on an emulated old PC and compare what it says with the native program.

    python asengine/boot/boot.py build/legacy/fable6c build/legacy/init build/fable6c model.f6c [--memory 256] [--cpu pentium2]

`make boot-test` builds the programs and runs this. The machine is qemu's, the kernel the one of Debian's network
installation, the initial RAM disk is made here: an init of a page (init.c), the program, the model. The console is the serial
line. Exit status 0: same text, byte for byte; 1: not; 77: cannot run here.

Debian 12 is the last release with a kernel for 32-bit processors (package debian-installer-12-netboot-i386). With the 64-bit
kernel of a later one (debian-installer-13-netboot-amd64) the emulated processor is a 64-bit one: the static 32-bit program is
tested, but not that a Pentium II runs it (tests/test_legacy.py looks for instructions that it would not know).
"""

import argparse
import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple, Optional

EMULATORS = {32: "qemu-system-i386", 64: "qemu-system-x86_64"}
PROCESSORS = {32: "pentium2", 64: "qemu64"}
IMAGES = "/usr/lib/debian-installer/images"
OS_RELEASE = "/etc/os-release"
PROMPT = "Once upon a time"


class Result(NamedTuple):
    """One command's text (line ends as the program wrote them) and its exit status; minus a signal's number."""

    text: str
    status: int


class Boot(NamedTuple):
    results: list[Result]
    memory: list[str]  # the kernel's memory at the start and at the end, as init says it
    seconds: float
    console: str  # everything that came over the serial line


def kernel() -> Optional[str]:
    """The kernel's path: $KERNEL, or that of the Debian package, for 32 bits if it is there; None if there is none."""
    found = [path for kind in ("i386", "amd64") for path in sorted(glob.glob(f"{IMAGES}/*/{kind}/text/debian-installer/{kind}/linux"))]
    return os.environ.get("KERNEL") or next(iter(found), None)


def bits(path: str) -> int:
    """32 or 64: whether the kernel has an entry point for 64 bits (xloadflags in the kernel's Documentation/arch/x86/boot.rst)."""
    with open(path, "rb") as file:
        file.seek(0x236)
        return 64 if file.read(1)[0] & 1 else 32


def packages() -> str:
    """What to install on this release of Debian."""
    release = 12
    if os.path.exists(OS_RELEASE):
        with open(OS_RELEASE, encoding="utf-8") as file:
            text = file.read()
        version = re.search(r'^VERSION_ID="?(\d+)', text, re.M)
        release = int(version.group(1)) if version else 13  # testing has no number
    image = "debian-installer-12-netboot-i386" if release <= 12 else f"debian-installer-{release}-netboot-amd64"
    return f"qemu-system-x86 {image}"


def missing() -> Optional[str]:
    """What keeps the test from running on this machine, in one line; None when nothing does."""
    path = kernel()
    if path is None or not os.path.isfile(path):
        return f"{path or 'a kernel'} is missing; on Debian: apt install {packages()}; or name one: KERNEL=bzImage"
    emulator = EMULATORS[bits(path)]
    if shutil.which(emulator) is None:
        return f"{emulator} is missing; on Debian: apt install {packages()}"
    return None


def archive(files: dict[str, bytes]) -> bytes:
    """A gzipped cpio archive ("newc", as in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""
    parts = []
    for inode, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        # mode (a regular file, executable), owner, group, links, time, size, devices, name's size, checksum (unused)
        numbers = [inode, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        entry = b"070701" + b"".join(b"%08x" % number for number in numbers) + name.encode() + b"\0"
        parts += [entry, b"\0" * (-len(entry) % 4), content, b"\0" * (-len(content) % 4)]
    return gzip.compress(b"".join(parts), 6, mtime=0)


def boot(
    files: dict[str, bytes],
    commands: list[list[str]],
    cpu: Optional[str] = None,
    memory: int = 256,
    options: Sequence[str] = (),
    timeout: float = 300,
) -> Boot:
    """Start the machine with these files in its RAM disk, run the commands in order, and wait for its end."""
    listing = "".join("\t".join(command) + "\n" for command in commands)
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "initrd.gz")
        with open(disk, "wb") as file:
            file.write(archive({**files, "commands": listing.encode()}))
        path = kernel()
        width = bits(path)
        machine = [
            EMULATORS[width],
            "-cpu",
            cpu or PROCESSORS[width],
            "-m",
            str(memory),
            "-nographic",
            "-no-reboot",
            "-nic",
            "none",
            *options,
        ]
        start = time.monotonic()
        try:
            done = subprocess.run(
                [*machine, "-kernel", path, "-initrd", disk, "-append", "console=ttyS0 panic=-1 quiet loglevel=0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            )
            console = done.stdout.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as late:
            console = (late.stdout or b"").decode("utf-8", "replace") + f"\n(no end after {timeout:g} seconds)\n"
        seconds = time.monotonic() - start
    console = console.replace("\r\n", "\n")  # the serial terminal's line ends
    results = []
    for text, word, number in re.findall(r"^boot: /[^\n]*\n(.*?)boot: (exit|killed by signal) (\d+)$", console, re.M | re.S):
        results.append(Result(text, int(number) if word == "exit" else -int(number)))
    return Boot(results, re.findall(r"boot: (memory \d+ KiB, free \d+ KiB)", console), seconds, console)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, words in [
        ("program", "the i586 program"),
        ("init", "the init program"),
        ("native", "this machine's program"),
        ("model", "a model file"),
    ]:
        parser.add_argument(name, help=words)
    parser.add_argument("--memory", type=int, default=256, help="the machine's memory in MiB (default 256)")
    parser.add_argument(
        "--cpu", help="one of qemu's processors: 486, pentium, pentium2, pentium3 (default: pentium2; with a 64-bit kernel qemu64)"
    )
    arguments = parser.parse_args()
    reason = missing()
    if reason:
        print(f"boot-test skipped: {reason}")
        return 77

    files = {}
    for name, path in [("init", arguments.init), ("fable6c", arguments.program), ("model.f6c", arguments.model)]:
        with open(path, "rb") as file:
            files[name] = file.read()
    runs = [["--selftest"], ["-p", PROMPT, "-n", "60", "-s", "1"]]
    native = [
        subprocess.run([os.path.abspath(arguments.native), arguments.model, *run], stdout=subprocess.PIPE, check=True).stdout.decode()
        for run in runs
    ]
    width = bits(kernel())
    arguments.cpu = arguments.cpu or PROCESSORS[width]
    print(f"booting {arguments.cpu}, {arguments.memory} MiB, {kernel()} ...", flush=True)
    if width == 64:
        print("this kernel is for 64 bits: the program is tested, but not on a 32-bit processor (Debian 12 has such a kernel)", flush=True)
    result = boot(files, [["/fable6c", "/model.f6c", *run] for run in runs], arguments.cpu, arguments.memory)
    if result.results != [Result(text, 0) for text in native]:
        sys.stderr.write(result.console)
        print("boot-test FAILED: the console above differs from what this machine's program says")
        return 1
    print(result.results[1].text)
    print(f"boot-test passed: the selftest's {len(native[0].splitlines())} lines and the story are those of this machine's program")
    print(f"{result.seconds:.1f} seconds; {result.memory[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
