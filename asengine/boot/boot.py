"""Boot the i586 program on an emulated old PC and compare what it says with the native program.

    python asengine/boot/boot.py build/legacy/fable6c build/legacy/init build/fable6c model.f6c [--memory 256] [--cpu pentium2]

`make boot-test` builds the programs and runs this. The machine is qemu's, the kernel the one of Debian's i386 network
installation (package debian-installer-12-netboot-i386), the initial RAM disk is made here: an init of a page (init.c), the
program, the model. The console is the serial line. Exit status 0: same text, byte for byte; 1: not; 77: cannot run here.
"""

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, NamedTuple, Optional

EMULATOR = "qemu-system-i386"
KERNELS = "/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux"
PACKAGES = "qemu-system-x86 debian-installer-12-netboot-i386"
PROMPT = "Once upon a time"


class Result(NamedTuple):
    """One command's text (line ends as the program wrote them) and its exit status; minus a signal's number."""

    text: str
    status: int


class Boot(NamedTuple):
    results: List[Result]
    memory: List[str]  # the kernel's memory at the start and at the end, as init says it
    seconds: float
    console: str  # everything that came over the serial line


def kernel() -> str:
    """The kernel's path: $KERNEL, or that of the Debian package."""
    return os.environ.get("KERNEL", KERNELS)


def missing() -> Optional[str]:
    """What keeps the test from running on this machine, in one line; None when nothing does."""
    if shutil.which(EMULATOR) is None:
        return f"{EMULATOR} is missing; on Debian: apt install {PACKAGES}"
    if not os.path.exists(kernel()):
        return f"{kernel()} is missing; on Debian: apt install {PACKAGES}; or name an i386 kernel: KERNEL=bzImage"
    return None


def archive(files: Dict[str, bytes]) -> bytes:
    """A gzipped cpio archive ("newc", as in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""
    parts = []
    for inode, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        # mode (a regular file, executable), owner, group, links, time, size, devices, name's size, checksum (unused)
        numbers = [inode, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        entry = b"070701" + b"".join(b"%08x" % number for number in numbers) + name.encode() + b"\0"
        parts += [entry, b"\0" * (-len(entry) % 4), content, b"\0" * (-len(content) % 4)]
    return gzip.compress(b"".join(parts), 6, mtime=0)


def boot(files: Dict[str, bytes], commands: List[List[str]], cpu: str = "pentium2", memory: int = 256, options: List[str] = [], timeout: float = 300) -> Boot:
    """Start the machine with these files in its RAM disk, run the commands in order, and wait for its end."""
    listing = "".join("\t".join(command) + "\n" for command in commands)
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "initrd.gz")
        with open(disk, "wb") as file:
            file.write(archive({**files, "commands": listing.encode()}))
        machine = [EMULATOR, "-cpu", cpu, "-m", str(memory), "-nographic", "-no-reboot", "-nic", "none", *options]
        start = time.monotonic()
        try:
            done = subprocess.run([*machine, "-kernel", kernel(), "-initrd", disk, "-append", "console=ttyS0 panic=-1 quiet loglevel=0"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
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
    for name, words in [("program", "the i586 program"), ("init", "the init program"), ("native", "this machine's program"), ("model", "a model file")]:
        parser.add_argument(name, help=words)
    parser.add_argument("--memory", type=int, default=256, help="the machine's memory in MiB (default 256)")
    parser.add_argument("--cpu", default="pentium2", help="one of qemu's processors: 486, pentium, pentium2, pentium3 (default pentium2)")
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
    native = [subprocess.run([os.path.abspath(arguments.native), arguments.model, *run], stdout=subprocess.PIPE, check=True).stdout.decode() for run in runs]
    print(f"booting {arguments.cpu}, {arguments.memory} MiB ...", flush=True)
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
