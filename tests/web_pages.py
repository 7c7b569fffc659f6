"""Checks of a folder of web pages: links, anchors, addresses outside, and what a screen reader needs. Each gives a list of problems."""

import html.parser
import pathlib
import re
import urllib.parse

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("form", "action")}


class Reader(html.parser.HTMLParser):
    """What a page links to, loads and names."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.ids, self.tags, self.fields, self.labels, self.no_alt = [], [], [], [], [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        for name, value in attributes:
            if (tag, name) in LOADS:
                self.loads.append(value)
        if tag == "img" and "alt" not in values:
            self.no_alt += 1
        if tag == "label" and "for" in values:
            self.labels.add(values["for"])
        if tag == "input" and values.get("type") not in ("radio", "checkbox"):  # these stand inside their labels
            self.fields.append(values.get("id"))


def read(folder):
    """{place: Reader} of the folder's pages; the storyteller is checked by tests/test_page.py."""
    paths = [path for path in sorted(folder.rglob("*.html")) if path.name not in ("story.html", "fable6.html")]
    return {path.relative_to(folder).as_posix(): Reader(path.read_text(encoding="utf-8")) for path in paths}


def link_problems(folder, missing=()):
    """Links to files or headings that are not there. `missing` are places that the folder need not have."""
    found = read(folder)
    problems = []
    for place, page in found.items():
        for link in [*page.links, *page.loads]:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (folder / place).parent / urllib.parse.unquote(path) if path else folder / place
            target = pathlib.Path(str(target.resolve()))
            name = target.relative_to(folder.resolve()).as_posix() if folder.resolve() in target.parents else None
            if name in missing or (name and name.split("/")[0] in missing):
                continue
            if name is None or not target.is_file():
                problems.append(f"{place}: {link}: there is no such file")
            elif anchor and name in found and urllib.parse.unquote(anchor) not in found[name].ids:
                problems.append(f"{place}: {link}: there is no such heading")
    return problems


def outside_problems(folder):
    """What pages, sheets or scripts load from another address; a link that a person may follow is none."""
    problems = [f"{place}: {load}" for place, page in read(folder).items() for load in page.loads if re.match(r"(?!data:)[a-z]+:|//", load)]
    for path in [*folder.glob("*.css"), *folder.glob("*.js")]:
        text = path.read_text(encoding="utf-8")
        problems += [f"{path.name}: {found}" for found in re.findall(r"url\(\s*['\"]?(?!data:)[^)]*\)|@import[^;]*", text)]
        problems += [
            f"{path.name}: {found}" for found in re.findall(r"(?:fetch|importScripts|sendBeacon)\(|XMLHttpRequest|WebSocket", text)
        ]
    return problems


def reading_problems(folder):
    """What a page lacks for those who hear it or use the keyboard."""
    problems = []
    for place, page in read(folder).items():
        wanted = {"one h1": page.tags.count("h1") == 1, "a title": "title" in page.tags, "one main": page.tags.count("main") == 1}
        wanted["words for each picture"] = page.no_alt == 0
        wanted["a label for each field"] = set(page.fields) <= page.labels
        wanted["each id once"] = len(page.ids) == len(set(page.ids))
        wanted["a way past the menu"] = page.links[:1] == ["#site-content"] and "site-content" in page.ids
        problems += [f"{place}: not {name}" for name, right in wanted.items() if not right]
    return problems
