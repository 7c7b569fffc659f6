"""Packaging: everything declarative stands in pyproject.toml; here is only what builds the C extension and fetches the engine."""

import os
import platform
import shutil

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist


class BuildKernels(build_ext):
    """Builds the extensions, each with its own object files, and leaves a copy of them in the source tree.

    `python -m fable6c.train` run in the checkout imports the package from there, installed or not: without this copy a
    plain `pip install .` would end in a missing module for exactly the person who follows the README.
    """

    def build_extension(self, extension):
        # All extensions compile the same sources with other flags: shared object files would mix them up.
        build_temp, self.build_temp = self.build_temp, os.path.join(self.build_temp, extension.name)
        super().build_extension(extension)
        self.build_temp = build_temp

    def run(self):
        super().run()
        if self.inplace:
            return
        for extension in self.extensions:
            built = self.get_ext_fullpath(extension.name)
            beside = os.path.join(*extension.name.split(".")[:-1], os.path.basename(built))
            if os.path.exists(built):
                shutil.copyfile(built, beside)


class SourceArchive(sdist):
    """Refuses to make an archive without the engine: whoever installs it, or a wheel from it, has no Node to build one."""

    def run(self):
        if not os.path.exists(MODULE):
            raise SystemExit(f"{MODULE} is missing; build it with `make wasm`, then make the archive")
        super().run()


# The engine's module is built by npm and travels inside the package, in wheels and source archives alike.
MODULE, BUILT_MODULE = "fable6c/fable6c.wasm", "asengine/build/fable6c.wasm"
if os.path.exists(BUILT_MODULE):
    shutil.copyfile(BUILT_MODULE, MODULE)

BUILDERS = ["baseline", "scout"]
if platform.machine() in ("x86_64", "AMD64"):
    BUILDERS += ["avx2", "avx512", "avx512bf16", "scout_avx2"]

setup(
    cffi_modules=[f"fable6c/build_kernels.py:{name}" for name in BUILDERS],
    cmdclass={"build_ext": BuildKernels, "sdist": SourceArchive},
)
