"""Debian for another processor in a folder, with Python and NumPy, and on 64-bit ARM with our extensions too: what qemu-user can run.

No program in the tree can start another, because only the first is given to the emulator.
"""

import glob
import os
import pathlib
import shutil
import subprocess
import sys

import bare_root
from source_copy import copy_source

ROOT = pathlib.Path(__file__).parent.parent
COMPILER = "aarch64-linux-gnu-gcc"
# Debian's name of a processor: the emulator, where its libraries lie.
PROCESSORS = {
    "arm64": ("qemu-aarch64", "aarch64-linux-gnu"),
    "armel": ("qemu-arm", "arm-linux-gnueabi"),
    "s390x": ("qemu-s390x", "s390x-linux-gnu"),
}
PACKAGES = ["python3", "python3-numpy", "python3-cffi", "python3-zstandard", "libpython3-dev", "libgomp1"]


def missing():
    """What this machine lacks for it, or None."""
    for program, package in (COMPILER, "gcc-aarch64-linux-gnu"), ("qemu-aarch64", "qemu-user"), ("debootstrap", "debootstrap"):
        if shutil.which(program) is None:
            return f"{program} is missing; on Debian: apt install {package}"
    return None if os.geteuid() == 0 else "debootstrap needs root"


class Tree:
    """`tree.python(cpu, *arguments)` runs its Python, in `tree.checkout`."""

    def __init__(self, folder, processor):
        self.emulator, self.libraries = PROCESSORS[processor]
        self.root, self.checkout = folder / processor, folder / "checkout"
        mirror, _ = bare_root.apt_settings()
        command = [
            "debootstrap",
            "--foreign",
            f"--arch={processor}",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            "bookworm",
            str(self.root),
            *mirror,
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise bare_root.CannotMake("debootstrap: " + (done.stdout.strip().splitlines() or ["no word"])[-1])
        for package in glob.glob(f"{self.root}/var/cache/apt/archives/*.deb"):  # all are there; it has unpacked only the first ones
            subprocess.run(["dpkg-deb", "-x", package, str(self.root)], check=True)
        copy_source(self.checkout)

    def compile_for_arm(self):
        """Our extensions, by the cross compiler."""
        if (ROOT / "build" / "wasm3").exists():
            shutil.copytree(ROOT / "build" / "wasm3", self.checkout / "build" / "wasm3")
        # The configuration of Python for ARM, where Debian's Python looks for it.
        include = self.root.parent / "include"
        include.mkdir()
        (include / self.libraries).symlink_to(self.root / "usr" / "include" / self.libraries)
        environment = {**os.environ, "CC": COMPILER, "CFLAGS": f"-I{include}", "_PYTHON_HOST_PLATFORM": "linux-aarch64"}
        built = subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=self.checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )  # fmt: skip
        assert built.returncode == 0, built.stdout[-3000:]

    def python(self, cpu, *arguments):
        libraries = self.root / "usr" / "lib" / self.libraries
        path = ":".join(str(libraries / name) for name in ("blas", "lapack"))  # which Debian links when it sets the packages up
        (python,) = self.root.glob("usr/bin/python3.[0-9]*[0-9]")
        command = [self.emulator, "-cpu", cpu, "-L", str(self.root), "-E", f"LD_LIBRARY_PATH={path}", str(python), *arguments]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=self.checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
