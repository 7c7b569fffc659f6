"""Packaging: everything declarative stands in pyproject.toml; here is only what builds the C extensions and fetches the engine."""

import copy
import os
import platform
import shutil
import subprocess
import sys
import sysconfig

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist


class BuildKernels(build_ext):
    """Builds the extensions, each with its own object files, and leaves a copy of them in the source tree.

    `python -m fable6c.train` run in the checkout imports the package from there, installed or not: without this copy a
    plain `pip install .` would end in a missing module for exactly the person who follows the README.
    """

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()  # threads that wait for compilers

    def build_extension(self, extension):
        # Several extensions compile the same source with other flags: shared object files would mix them up. A copy, because other threads build others.
        builder = copy.copy(self)
        builder.build_temp = os.path.join(self.build_temp, extension.name)
        super(BuildKernels, builder).build_extension(extension)

    def run(self):
        if not fetch_wasm3():
            print("fable6c is built without the wasm3 interpreter: stories are told by the NumPy reference", file=sys.stderr)
            self.extensions = [extension for extension in self.extensions if extension.name != "fable6c._lib_wasm3"]
        for extension in self.extensions:
            # GCC before 11 cannot compile these: native.py then takes the next one.
            extension.optional = extension.name.endswith(("_avxvnni", "_amx"))
        super().run()
        if self.inplace:
            return
        for extension in self.extensions:
            built = self.get_ext_fullpath(extension.name)
            beside = os.path.join(*extension.name.split(".")[:-1], os.path.basename(built))
            if os.path.exists(built):
                shutil.copyfile(built, beside + ".new")
                os.replace(beside + ".new", beside)  # a program that runs keeps the old one
        if os.path.exists(WASM3_LICENSE):  # it goes where the compiled interpreter goes
            shutil.copyfile(WASM3_LICENSE, os.path.join(self.build_lib, "fable6c", "wasm3-LICENSE"))


class SourceArchive(sdist):
    """Refuses to make an archive without the engine: whoever installs it, or a wheel from it, has no Node to build one."""

    def run(self):
        if not os.path.exists(MODULE):
            raise SystemExit(f"{MODULE} is missing; build it with `make wasm`, then make the archive")
        fetch_wasm3()  # its archive travels in ours (MANIFEST.in): who installs from it needs no second download
        super().run()


def fetch_wasm3() -> bool:
    """Get the sources of the wasm3 interpreter, once. False, after a line that says why, where that cannot be done: the package
    works without them."""
    if os.path.exists("build/wasm3/wasm3.h"):
        return True
    return subprocess.run([sys.executable, "asengine/host/fetch_wasm3.py", "build/wasm3"]).returncode == 0


# The engine's module travels inside the package, in wheels and source archives alike: the one that npm built here, else the one
# that is kept for those who have no Node.
MODULE = "fable6c/fable6c.wasm"
for built in ("asengine/build/fable6c.wasm", "asengine/prebuilt/fable6c.wasm"):
    if os.path.exists(built):
        shutil.copyfile(built, MODULE)
        break

WASM3_LICENSE = "build/wasm3/LICENSE"
BUILDERS = ["cpu", "bpe", "text", "codec", "kernels", "scout", "wasm3"]
PLATFORM = os.environ.get("_PYTHON_HOST_PLATFORM", "")  # names another one to build for
PROCESSOR = PLATFORM or platform.machine()
LINUX = (PLATFORM or sysconfig.get_platform()).startswith("linux")
if PROCESSOR.endswith(("x86_64", "AMD64")):
    BUILDERS += ["kernels_avx2", "kernels_avxvnni", "kernels_avx512", "kernels_avx512bf16", "scout_avx2"]
    if LINUX:  # the only system that gives tile registers to those who ask as _cpu.c does
        BUILDERS += ["kernels_amx"]
elif PROCESSOR.endswith(("aarch64", "arm64")):
    BUILDERS += ["kernels_dotprod", "kernels_i8mm"]

# What keeps Ray to one address (fable6c/machines.py). It has nothing of Python's in it and is never imported, but travels as extensions do.
LISTEN = Extension(
    "fable6c._listen", ["fable6c/_listen.c"], extra_compile_args=["-O2", "-g0", "-Wall", "-Wextra"], libraries=["dl"], py_limited_api=True
)

setup(
    ext_modules=[LISTEN] if LINUX else [],
    cffi_modules=[f"fable6c/build_kernels.py:{name}" for name in BUILDERS],
    cmdclass={"build_ext": BuildKernels, "sdist": SourceArchive},
)
