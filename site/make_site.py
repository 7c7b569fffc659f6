"""The site, as a folder that any host of static files or a double-click can show: `make site`, or

    python site/make_site.py --files dist/files --out dist/site

Nothing on it asks another address, and nothing needs a server. Its first page, the page that tells stories, the Z80's and the countdown
are in this folder; the documentation is the repository's Markdown (pages.py); the figures come from the records.
"""

import argparse
import base64
import datetime
import hashlib
import html
import json
import os
import pathlib
import posixpath
import re
import shutil
import sys

try:
    import tomllib
except ImportError:
    import tomli as tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "benchmarks")]

from pages import pages  # noqa: E402

import scores  # noqa: E402

SETTINGS = tomllib.loads((HERE / "settings.toml").read_text(encoding="utf-8"))
VERSION = re.search(r'__version__ = "(.*)"', (ROOT / "fable6c" / "__init__.py").read_text(encoding="utf-8"))[1]
MODEL = ROOT / "release" / "small.f6c"
Z80_MODULES = ["z80-base/dist/Utils.js", "z80-base/dist/Flag.js", "z80-base/dist/RegisterSet.js", "z80-emulator/dist/Decode.js"]
Z80_MODULES += ["z80-emulator/dist/Z80.js"]
TOP = [
    ("index.html", "Start"),
    ("story.html", "Tell me a story"),
    ("docs/index.html", "Documentation"),
    ("download.html", "Download"),
    ("z80.html", "Z80"),
    ("countdown.html", "Countdown"),
]
# What stands in the menu beside the pages that docs/index.md lists.
MORE = {
    "Measured": ["docs/numbers.md", "benchmarks/METHOD.md", "retrospective/LOG.md", "retrospective/README.md"],
    "The project": ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "RELEASE.md", "release/README.md"],
}
KINDS = [  # what a file is for, by its name
    (r"fable6\.html$", "The page: a storyteller for any browser. Open it with a double-click."),
    (r"small\.f6c$", "The model `small`: two hours on two CPU threads."),
    (r"micro\.f6c$", "The model `micro`: one hour."),
    (r"\.whl$", "Python package, with the engine inside: `pip install` this file."),
    (r"fable6c-[\d.]+\.tar\.gz$", "The source, with the engine built."),
    (r"legacy.*\.tar\.gz$|i586.*\.tar\.gz$", "For 32-bit PCs from the Pentium on, under Linux: one static program and a model."),
    (r"windows.*\.zip$", "For Windows 98 and newer: unpack and start."),
    (r"site.*\.zip$", "This site, to read offline."),
    (r"\.COM$", "For CP/M on a Z80: chat and 20 Questions."),
    (r"\.TAP$", "For a ZX Spectrum with 48 K."),
    (r"sbom.*\.json$|\.cdx\.json$", "What is inside: the bill of materials, CycloneDX."),
    (r"arm64", "For 64-bit ARM under Linux: one static program."),
    (r"armv6", "For ARMv6 and newer under Linux, such as the first Raspberry Pi."),
    (r"SHA256SUMS$", "The checksums of all files."),
    (r"SHA256SUMS\.sig$", "Their signature."),
    (r"allowed_signers$", "The key that the signature is checked with."),
    (r"NOTES\.md$", "What changed."),
    (r"REPRODUCIBLE\.txt$", "Which files came out the same, byte for byte, when they were built twice."),
]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=pathlib.Path, required=True, help="the folder with what a person downloads")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "dist" / "fable6.html", help="default: dist/fable6.html")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "dist" / "site", help="default: dist/site")
    options = parser.parse_args(argv)
    library = options.page.with_name("fable6.js")
    for path in (options.page, library, options.files / "FABLE.COM", ROOT / "node_modules" / Z80_MODULES[0]):
        if not path.exists():
            raise SystemExit(f"site: {path} is missing; make site makes it")
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    site = Site(options.out)
    site.documentation()
    site.own(options.files)
    shutil.copyfile(options.page, options.out / "story.html")
    shutil.copyfile(library, options.out / "fable6.js")
    shutil.copytree(options.files, options.out / "files")
    (options.out / "small.js").write_text(packed("FABLE6_SMALL", MODEL), encoding="utf-8")
    (options.out / "z80.js").write_text(z80_script(options.files / "FABLE.COM"), encoding="utf-8")
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"the site: {options.out}/index.html ({len(list(options.out.rglob('*.html')))} pages, {size / 1e6:.0f} MB)")


class Site:
    """A folder that pages are written into, each in the same frame."""

    def __init__(self, out):
        self.out = out
        self.frame = (HERE / "frame.html").read_text(encoding="utf-8")

    def page(self, place, body, values, menu="", title=None):
        """Write a page; {{name}} in its body stands for a value. A body that begins with <title> names itself."""
        named = re.match(r"<title>(.*?)</title>\n", body)
        if named:
            title, body = named[1], body[named.end() :]
        up = "../" * (len(pathlib.PurePosixPath(place).parts) - 1)
        body = filled(body, values) if values else body
        top = "\n".join(
            f'<li><a href="{up}{link}"{current(link == place or (link.startswith("docs/") and menu))}>{words}</a></li>'
            for link, words in TOP
        )
        outside = "document" if menu else "own"
        whole = filled(self.frame, {"title": title, "top": top, "up": up, "menu": menu, "kind": outside, "version": VERSION, "body": body})
        to = self.out / place
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(whole, encoding="utf-8")

    def own(self, files):
        """This folder's pages, with the figures and with the rows of what can be downloaded, their sheet and their scripts."""
        values = {**facts(), "files": downloads(files)}
        for name in ("index", "download", "z80", "countdown"):
            self.page(f"{name}.html", (HERE / f"{name}.html").read_text(encoding="utf-8"), values)
        for name in ("style.css", "search.js", "index.js", "countdown.js"):
            shutil.copyfile(HERE / name, self.out / name)

    def documentation(self):
        """All Markdown pages, with a menu made from docs/index.md, and the index for the search."""
        found = {page.source.as_posix(): page for page in pages()}
        groups = menu_groups(found)
        index = []
        for page in found.values():
            place = page.place.as_posix()
            article = f"<article>\n{page.body}\n</article>"
            self.page(place, article, {}, menu=menu(page, groups, found), title=f"{html.escape(page.title)} · {SETTINGS['title']}")
            index += [[f"{place}#{anchor}", page.title, words, " ".join(text)] for anchor, words, text in page.sections]
            for file in page.files:
                (self.out / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, self.out / file)
        (self.out / "search-index.js").write_text(f"var FABLE6_PAGES = {json.dumps(index, ensure_ascii=True)};\n", encoding="utf-8")


def filled(text, values):
    def value(found):
        if found[1] not in values:
            raise SystemExit(f"site: nothing to put in place of {{{{{found[1]}}}}}")
        return str(values[found[1]])

    return re.sub(r"\{\{(\w+)\}\}", value, text)


def current(here):
    return ' aria-current="page"' if here else ""


def menu_groups(found):
    """{heading: [pages]}: the tables of docs/index.md, then MORE, then what neither lists."""
    groups, heading = {}, "Documentation"
    groups[heading] = ["docs/index.md"]
    for line in (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines():
        heading = line[3:] if line.startswith("## ") else heading
        for link in re.findall(r"\]\(([^)#]+\.md)\)", line.split(" | ")[0]) if line.startswith("| [") else ():
            groups.setdefault(heading, []).append(posixpath.normpath(f"docs/{link}"))
    for heading, names in MORE.items():
        groups.setdefault(heading, []).extend(names)
    listed = {name for names in groups.values() for name in names}
    groups["Records"] = [name for name in found if name.startswith("benchmarks/record/")]
    groups["More"] = [name for name in found if name not in listed and name not in groups["Records"]]
    return {heading: [name for name in dict.fromkeys(names) if name in found] for heading, names in groups.items()}


def menu(page, groups, found):
    """The documentation's menu, seen from a page: links relative to it, its own sections below its name."""
    here = page.place.as_posix()
    parts, seen = [], set()
    for heading, names in groups.items():
        names = [name for name in names if name not in seen]
        seen.update(names)
        items = []
        for name in names:
            to = found[name].place.as_posix()
            sections = ""
            if to == here:
                below = [f'<li><a href="#{anchor}">{html.escape(words)}</a></li>' for level, anchor, words in page.headings if level == 2]
                sections = f"<ul>{''.join(below)}</ul>" if below else ""
            link = posixpath.relpath(to, posixpath.dirname(here) or ".")
            items.append(f'<li><a href="{link}"{current(to == here)}>{html.escape(name_in_menu(found[name]))}</a>{sections}</li>')
        if items:
            parts.append(f"<p>{heading}</p><ul>{''.join(items)}</ul>")
    return "".join(parts)


def name_in_menu(page):
    if page.source.as_posix().startswith("benchmarks/record/"):
        return f"{page.source.parent.name[:10]}: {page.source.stem}"
    return page.title


# ---- figures


def facts():
    """What the first page says of the model and of speed, each out of the file or record that has it."""
    model = MODEL.read_bytes()
    point = scores.score_of(MODEL)
    pentium = (ROOT / "docs" / "pentium4.md").read_text(encoding="utf-8")
    speeds = re.findall(r"\*\*tokens per second at 2\.4 GHz\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\*", pentium)
    stories = re.split(r"^--- seed \d+\n", (ROOT / "release" / "small.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    levels = scores.newest("curve")["levels"]
    return {
        "bytes": f"{len(model):,}",
        "megabytes": f"{len(model) / 1e6:.2f}",
        "bits": f"{point['bits_per_char']:.3f}",
        "hours": {1: "One hour", 2: "Two hours"}[round(point["minutes"] / 60)],
        "gpu_bits": f"{levels['TinyStories-1M (GPU, 470 M tokens)']:.3f}",
        "compiled_low": speeds[0][0],
        "compiled_high": speeds[0][1],
        "wasm3_low": speeds[1][0],
        "wasm3_high": speeds[1][1],
        "story": "\n".join(f"<p>{html.escape(line)}</p>" for line in stories[9].strip().splitlines() if line.strip()),
        "version": VERSION,
        "date": SETTINGS["release_date"],
        "day": datetime.datetime.fromisoformat(SETTINGS["release_date"].replace("Z", "+00:00")).strftime("%-d %B %Y"),
        "hertz": SETTINGS["z80_hertz"],
    }


def downloads(folder):
    """The rows of the download page: name, size, purpose, checksum."""
    rows = []
    for path in sorted(folder.iterdir(), key=rank):
        words = next((words for pattern, words in KINDS if re.search(pattern, path.name)), "")
        words = re.sub(r"`([^`]+)`", r"<code>\1</code>", words)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(
            f'<tr><th scope="row"><a href="files/{path.name}" download>{path.name}</a></th><td>{words}</td>'
            f'<td class="size">{size_of(path)}</td><td class="digest"><code>{digest}</code></td></tr>'
        )
    return "\n".join(rows)


def rank(path):
    return next((n for n, (pattern, _) in enumerate(KINDS) if re.search(pattern, path.name)), len(KINDS)), path.name


def size_of(path):
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} KB"


# ---- scripts


def packed(name, path):
    """A file as a script that sets a variable: pages opened as files may load scripts, nothing else."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f'var {name} = {{ sha256: "{digest}", data: "{base64.b64encode(data).decode()}" }};\n'


def z80_script(program):
    """The emulated machine and its program in one script: the modules one after the other, without imports and exports."""
    parts = []
    for name in [*(ROOT / "node_modules" / module for module in Z80_MODULES), ROOT / "z80" / "host" / "cpm.js"]:
        source = name.read_text(encoding="utf-8")
        source = re.sub(r"^import .*?;\n", "", source, flags=re.MULTILINE)
        source = re.sub(r"^export (?=var|class|const|function)", "", source, flags=re.MULTILINE)
        source = re.sub(r"^//# sourceMappingURL=.*$", "", source, flags=re.MULTILINE)
        if re.search(r"^(import|export)\b", source, re.MULTILINE):
            raise SystemExit(f"site: {os.path.relpath(name, ROOT)} has an import or export that this script does not know")
        parts.append(source)
    licence = "/* The Z80: z80-emulator and z80-base by Lawrence Kesteloot, MIT licence. */\n"
    page = (HERE / "z80.js").read_text(encoding="utf-8")
    return licence + packed("FABLE_COM", program) + "(function () {\n" + "\n".join(parts) + "\n" + page + "}());\n"


if __name__ == "__main__":
    main()
