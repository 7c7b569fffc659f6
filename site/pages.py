"""Markdown to web pages: links that lead to other pages of the site, GitHub's anchors, pictures, and the reference of `::: module.name`.

Every Markdown page of the repository keeps its place, with .html in place of .md. What pages link to comes along; a link to a folder
leads to its README, and a link to a folder without one becomes plain text.
"""

import ast
import html
import pathlib
import re
import textwrap

from markdown_it import MarkdownIt

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOT_PAGES = {"build", "dist", "node_modules", "runs", "venv", "env"}


class Page:
    """One page: its place in the site, its title, its body as HTML, its sections for the search, and the files that it links to."""

    def __init__(self, source, root=ROOT):
        self.source = source.relative_to(root)
        self.place = self.source.with_suffix(".html")
        self.files = set()
        self.sections = []  # (anchor, heading, text)
        self.headings = []  # (level, anchor, heading)
        self._root = root
        self.body = self._render(source.read_text(encoding="utf-8"))
        self.title = self.headings[0][2] if self.headings else self.source.stem

    def _render(self, text):
        parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
        text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)  # the head that model hubs read
        tokens = parser.parse(re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL))
        taken = set()
        for index, token in enumerate(tokens):
            if token.type == "heading_open":
                words = plain(tokens[index + 1])
                token.attrSet("id", unique(slug(words), taken))
                self.headings.append((int(token.tag[1]), token.attrGet("id"), words))
                self.sections.append([token.attrGet("id"), words, []])
            elif token.type == "inline":
                self._relink(token)
                if self.sections:
                    self.sections[-1][2].append(plain(token))
        body = parser.renderer.render(tokens, parser.options, {})
        body = re.sub(r"<p>::: (\S+)</p>", lambda found: reference(found[1], self._root), body)
        # What is wider than a phone scrolls by itself, with the keyboard too.
        body = re.sub(r"<table>", '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>', body)
        body = body.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
        return body.replace("<img ", '<img loading="lazy" ')

    def _relink(self, inline):
        kept = []
        open_links = []
        for child in inline.children:
            if child.type == "link_open":
                target = self._target(child.attrGet("href"))
                open_links.append(target)
                if target is None:
                    continue
                child.attrSet("href", target)
            elif child.type == "link_close" and open_links.pop() is None:
                continue
            elif child.type == "image":
                child.attrSet("src", self._target(child.attrGet("src")) or "")
            kept.append(child)
        inline.children = kept

    def _target(self, link):
        """The link as it is in the site, None if nothing there can be linked to; notes the file behind it."""
        if re.match(r"[a-z]+:", link) or link.startswith("#"):
            return link
        link, mark, anchor = link.partition("#")
        path = (self._root / self.source.parent / link).resolve()
        if path.is_dir() and (path / "README.md").exists():
            link, path = link.rstrip("/") + "/README.md", path / "README.md"
        if not path.is_file() or self._root not in path.parents:
            return None
        if path.suffix == ".md":
            return re.sub(r"\.md$", ".html", link) + mark + anchor
        self.files.add(path.relative_to(self._root))
        return link + mark + anchor


def pages(root=ROOT):
    """The Markdown pages of the repository."""
    found = [path for path in root.rglob("*.md") if not any(p.startswith(".") or p in NOT_PAGES for p in path.relative_to(root).parts)]
    return [Page(path, root) for path in sorted(found)]


def plain(inline):
    """A line's words without its marks."""
    parts = []
    for child in inline.children or []:
        parts.append(child.content if child.type in ("text", "code_inline", "image") else " " if child.type.endswith("break") else "")
    return "".join(parts)


def slug(heading):
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def unique(name, taken):
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


# ---- the reference


def reference(name, root=ROOT):
    """A class or function, its signature and its words, and those of its public methods, out of the source."""
    module, _, last = name.rpartition(".")
    path = root / (module.replace(".", "/") + ".py")
    node = definition(ast.parse(path.read_text(encoding="utf-8")), last, name)
    parts = [entry(name, node)]
    if isinstance(node, ast.ClassDef):
        methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        parts += [entry(f"{name}.{part.name}", part) for part in methods if not part.name.startswith("_") and ast.get_docstring(part)]
    return "\n".join(parts)


def definition(tree, name, whole):
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return node
    raise SystemExit(f"docs: ::: {whole}: there is no such class or function")


def entry(name, node):
    words = ast.get_docstring(node) or ""
    return f'<h4 id="{html.escape(name)}"><code>{html.escape(signature(node))}</code></h4>\n<div class="entry">{docstring(words)}</div>'


def signature(node):
    if isinstance(node, ast.ClassDef):
        made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
        return f"class {node.name}({arguments(made[0]) if made else ', '.join(fields)})"
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({arguments(node)}){answer}"


def arguments(node):
    return re.sub(r"^self(, )?", "", ast.unparse(node.args))


def docstring(words):
    """Paragraphs as Markdown; an indented block stays as it is."""
    return MarkdownIt("commonmark").render(textwrap.dedent(words))
