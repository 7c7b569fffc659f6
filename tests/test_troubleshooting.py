"""docs/troubleshooting.md has a heading for each message of a model file's readers, and its other messages exist in the source."""

import pathlib
import re

from fable6c.model.file import ERRORS

ROOT = pathlib.Path(__file__).parent.parent
HEADINGS = re.findall(r"^### (.*)$", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
SYSTEM = {"Killed", "Illegal instruction", "Permission denied"}  # the shell's words


def test_each_rejection_has_a_heading():
    assert len(ERRORS) == 16
    for _, text in ERRORS.values():
        assert text.replace("{}", "…") in HEADINGS


def test_each_heading_is_said_somewhere():
    folders = ["asengine/assembly/*.ts", "asengine/host/*", "asengine/boot/*", "fable6c/model/file.py", "Makefile"]
    source = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in sorted(ROOT.glob(folder)) if path.is_file())
    wasm3 = {"memory allocation failed"}
    said = [
        heading for heading in HEADINGS if heading[0].islower() and heading.replace("…", "{}") not in {text for _, text in ERRORS.values()}
    ]
    assert len(said) >= 10
    for heading in said:
        for part in re.split(r"…|: | \(.*?\)|; ", heading):
            assert part in source or part.strip() in wasm3, f"no source says {part!r}"
