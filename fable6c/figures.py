"""Pictures by matplotlib, whatever the environment says and whoever named what they show."""

import os
from typing import Any


def figure(**options: Any) -> Any:
    """A matplotlib Figure. ModuleNotFoundError without matplotlib."""
    # A notebook hands on MPLBACKEND, the name of a backend that another environment may lack. None is needed here: not pyplot, because it
    # would choose a backend for the whole process, and in a notebook that is the person's.
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib.figure import Figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return Figure(**options)


def label(text: str) -> str:
    """A stranger's text as a label: what no font shows is U+FFFD, and no "$" begins a formula."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text).replace("$", r"\$")
