"""Packaging: everything declarative stands in pyproject.toml; here is only what builds the C extension."""

import os
import shutil

from setuptools import setup
from setuptools.command.build_ext import build_ext


class BuildBeside(build_ext):
    """Builds the extension and leaves a copy in the source tree.

    `python -m fable6c.train` run in the checkout imports the package from there, installed or not: without this copy a
    plain `pip install .` would end in a missing module for exactly the person who follows the README.
    """

    def run(self):
        super().run()
        if self.inplace:
            return
        for extension in self.extensions:
            built = self.get_ext_fullpath(extension.name)
            beside = os.path.join(*extension.name.split(".")[:-1], os.path.basename(built))
            if os.path.exists(built):
                shutil.copyfile(built, beside)


setup(cffi_modules=["fable6c/build_kernels.py:ffibuilder"], cmdclass={"build_ext": BuildBeside})
