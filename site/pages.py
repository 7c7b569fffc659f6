"""The pages of the site, with links that work there: `make docs`, or python site/pages.py FOLDER.

Every Markdown page of the repository keeps its place, README.md being each folder's first page. What pages link to comes along: pictures
and files as they are, a folder as its README.md. A link to a folder without one becomes plain text.
"""

import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOT_PAGES = {"build", "dist", "node_modules", "runs", "venv"}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def pages():
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    return sorted(path for path in found if not any(part.startswith(".") or part in NOT_PAGES for part in path.parts))


def linked(page, match, files):
    """The link as it is in the site; notes the file behind it in `files`."""
    picture, text, target, anchor = match.groups()
    text = LINK.sub(lambda inner: linked(page, inner, files), text)  # a picture that is a link
    if re.match(r"[a-z]+:", target):
        return match.group()
    path = (ROOT / page.parent / target).resolve()
    if path.is_dir() and (path / "README.md").exists():
        target, path = target.rstrip("/") + "/README.md", path / "README.md"
    if not path.is_file() or ROOT not in path.parents:
        return text
    files.add(path.relative_to(ROOT))
    return f"{picture}[{text}]({target}{anchor or ''})"


def write(folder):
    """Write the pages, and the files that they link to, into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    files = set()
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        parts = re.split(r"(^```.*?^```|`[^`\n]+`(?!\]))", text, flags=re.MULTILINE | re.DOTALL)  # code stays as it is
        parts[::2] = [LINK.sub(lambda match, page=page: linked(page, match, files), part) for part in parts[::2]]
        to = folder / page
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text("".join(parts), encoding="utf-8")
    for file in files - set(pages()):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
