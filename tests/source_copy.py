"""A copy of the project as a fresh clone has it, for tests that build in it."""

import pathlib
import shutil

ROOT = pathlib.Path(__file__).parent.parent
NOT_SOURCE = shutil.ignore_patterns(".git", ".venv", "node_modules", "build", "dist", "runs", "*.egg-info", "*.so", "__pycache__")


def copy_source(folder):
    shutil.copytree(ROOT, folder, symlinks=True, ignore=NOT_SOURCE)
