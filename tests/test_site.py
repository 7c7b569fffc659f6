"""The site: every page of the documentation is in its index, links lead somewhere, nothing is loaded from elsewhere, and it works in Chromium."""

import importlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

import make_golden
import web_pages

ROOT = pathlib.Path(__file__).parent.parent
DOCS = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
INDEX = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
pytest.importorskip("markdown_it", reason="markdown-it-py is missing: make test installs it")
sys.path.insert(0, str(ROOT / "site"))

import make_site  # noqa: E402
import pages  # noqa: E402

# What only the whole site has: the storyteller, the downloads and the scripts that are made.
MADE = ("story.html", "files", "fable6.js", "small.js", "z80.js")


def test_every_page_is_in_the_index():
    assert len(DOCS) > 15
    assert [name for name in DOCS if name != "index.md" and f"]({name})" not in INDEX] == []


@pytest.mark.parametrize("number", range(4))
def test_the_examples_run(number):
    code = re.findall(r"^```python\n(.*?)^```", API, re.MULTILINE | re.DOTALL)[number]
    assert "release/small.f6c" in code
    code = code.replace("release/small.f6c", make_golden.MODEL.as_posix())
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_the_reference_names_what_exists():
    names = re.findall(r"^::: (\S+)$", API, re.MULTILINE)
    assert {"fable6c.engine.Engine", "fable6c.model.file.read_model"} <= set(names)
    for module, _, name in (name.rpartition(".") for name in names):
        assert getattr(importlib.import_module(module), name).__doc__
    text = pages.reference("fable6c.engine.Engine")
    assert 'id="fable6c.engine.Engine.sampling"' in text and "How tokens are chosen" in text and "_call" not in text
    with pytest.raises(SystemExit, match="there is no such class or function"):
        pages.reference("fable6c.engine.Motor")


def test_links_are_those_of_the_site(tmp_path):
    for name in ("README.md", "a/README.md", "a/file.txt", "b/picture.png", ".hidden/x.md", "build/x.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# Top, of it\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "---\nhead: x\n---\n# A & B\n<!-- note -->\n[a](../a) [top](../README.md#top-of-it) [![p](../b/picture.png)](../a/file.txt) [b](../b/) [out](https://example.org/b)\n\n# A & B\n`[b](../b/)`\n"
    )
    found = {page.source.as_posix(): page for page in pages.pages(tmp_path)}
    assert sorted(found) == ["README.md", "a/README.md", "docs/page.md"]
    page = found["docs/page.md"]
    assert (page.title, page.place.as_posix()) == ("A & B", "docs/page.html")
    assert '<h1 id="a--b">A &amp; B</h1>' in page.body and '<h1 id="a--b-1">' in page.body and "head" not in page.body
    assert '<a href="../a/README.html">a</a> <a href="../README.html#top-of-it">top</a>' in page.body
    assert (
        '<a href="../a/file.txt"><img loading="lazy" src="../b/picture.png" alt="p" /></a> b <a href="https://example.org/b">' in page.body
    )
    assert "<code>[b](../b/)</code>" in page.body and "note" not in page.body
    assert page.files == {pathlib.Path("a/file.txt"), pathlib.Path("b/picture.png")}


@pytest.fixture(scope="module")
def documentation(tmp_path_factory):
    """The site without what needs node: the documentation and this folder's own pages."""
    out = tmp_path_factory.mktemp("site")
    site = make_site.Site(out)
    site.documentation()
    files = tmp_path_factory.mktemp("files")
    shutil.copy(make_golden.MODEL, files / "small.f6c")
    site.own(files)
    return out


def test_links_and_anchors_lead_somewhere(documentation):
    assert web_pages.link_problems(documentation, MADE) == []
    assert len(web_pages.read(documentation)) > 40


def test_nothing_is_loaded_from_elsewhere(documentation):
    assert web_pages.outside_problems(documentation) == []


def test_pages_can_be_heard_and_used_with_the_keyboard(documentation):
    assert web_pages.reading_problems(documentation) == []


def test_the_menu_has_every_page(documentation):
    menu = web_pages.Reader((documentation / "docs" / "index.html").read_text(encoding="utf-8")).links
    for path in documentation.rglob("*.html"):
        place = os.path.relpath(path, documentation / "docs")
        assert place in menu, place


def test_claims_of_danger_are_called_satire_in_their_own_row(documentation):
    for place, claims in (("countdown.html", 6), ("release/PLAN.html", 5)):
        text = (documentation / place).read_text(encoding="utf-8")
        body = text[text.index("<tbody>") : text.index("</tbody>")]
        rows = [row for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL) if "<td" in row]
        assert len(rows) >= claims
        for row in rows:
            assert re.search(r"satire", row.split("</td>")[0]), row
        main = text[text.index("<main") :]
        assert "satire" in main[: main.index("<h2")].lower(), "and before the first heading"
    stages = text.split("<tbody>")[2].split("</tbody>")[0]
    assert all("satire" in row.split("</td>")[2] for row in stages.split("<tr>")[1:]) and stages.count("<tr>") == 4
    countdown = (documentation / "countdown.html").read_text(encoding="utf-8")
    for claim in re.findall(r'<h1>.*?</h1>|<p class="lead">.*?</p>', countdown, re.DOTALL):
        assert "satire" in claim
    assert "on its own now (satire)" in (documentation / "countdown.js").read_text(encoding="utf-8")


def test_the_checks_can_fail(tmp_path):
    (tmp_path / "a.html").write_text('<a href="gone.html">x</a><a href="b.html#none">y</a><a href="../../up.html">z</a>')
    (tmp_path / "b.html").write_text('<img src="https://example.org/x.png"><input id="f"><p id="f">')
    (tmp_path / "c.js").write_text("fetch('x')")
    assert len(web_pages.link_problems(tmp_path)) == 3
    assert len(web_pages.outside_problems(tmp_path)) == 2
    assert len([problem for problem in web_pages.reading_problems(tmp_path) if problem.startswith("b.html")]) == 7
    with pytest.raises(SystemExit, match="nothing to put in place of {{gone}}"):
        make_site.filled("{{gone}}", {})


# ---- the whole site, in Chromium


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """dist/site as `make site` makes it, in a folder below another: no link may count on its place."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("Chromium is missing: apt install chromium chromium-driver")
    if importlib.util.find_spec("pyz80") is None:  # it runs when it is imported
        pytest.skip("the Z80 assembler is missing: make test installs it")
    folder = tmp_path_factory.mktemp("whole")
    env = {**os.environ, "OUT": str(folder / "page"), "MODEL": str(make_golden.MODEL)}
    done = subprocess.run(
        ["node", "asengine/web/build.mjs"], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"the page cannot be built here: {done.stdout.strip()}")
    files = folder / "files"
    files.mkdir()
    shutil.copy(folder / "page" / "fable6.html", files)
    command = [sys.executable, "-m", "fable6c.z80", "build", "-o", str(files / "FABLE.COM")]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    out = folder / "below" / "a folder"
    make_site.main(["--files", str(files), "--page", str(folder / "page" / "fable6.html"), "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def browser(site):
    sys.path.insert(0, str(ROOT / "asengine" / "web"))
    from browser import chromium

    driver = chromium()
    yield driver
    driver.quit()


def wait(driver, condition):
    """As long as a busy machine may take; what has not come in a quarter of an hour never comes."""
    end = time.monotonic() + 900
    while not driver.execute_script(f"return {condition}"):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


def severe(driver):
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.slow
def test_the_whole_site_has_no_loose_ends(site):
    assert web_pages.link_problems(site) == []
    assert web_pages.outside_problems(site) == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_page_is_wider_than_its_window(site, browser, width):
    for place in web_pages.read(site):
        if place.startswith("benchmarks/record/"):
            continue
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get((site / place).as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, place
    assert severe(browser) == []


@pytest.mark.slow
def test_a_story_is_told_on_the_first_page(site, browser):
    browser.get((site / "index.html").as_uri())
    wait(browser, "!document.getElementById('controls').hidden")
    browser.execute_script("document.querySelectorAll('[name=pace]')[2].click()")
    wait(browser, "/The end/.test(document.getElementById('state').textContent)")
    wait(browser, "/\\d/.test(document.getElementById('measured').textContent)")
    told = browser.execute_script("return document.getElementById('story').textContent")
    seed = re.search(r"seed (\d+)", browser.execute_script("return document.getElementById('state').textContent"))[1]
    from fable6c.engine import Engine

    engine = Engine(str(ROOT / "release" / "small.f6c"))
    engine.seed(int(seed))
    expected = "Once upon a time" + "".join(engine.generate("Once upon a time", 1000))
    assert told.split() == " ".join(expected.split("\n")).split() or re.sub(r"\s", "", told) == re.sub(r"\s", "", expected)
    browser.execute_script("document.querySelectorAll('[name=pace]')[0].click(); document.getElementById('again').click()")
    wait(browser, "document.getElementById('story').getAttribute('aria-busy') === 'true'")
    browser.execute_script("document.getElementById('stop').click()")
    assert "Stopped" in browser.execute_script("return document.getElementById('state').textContent")
    assert severe(browser) == []


@pytest.mark.slow
def test_without_scripts_the_first_page_has_a_story(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    told = re.sub(r"<[^>]+>", " ", text[text.index('id="story"') :][:2000])
    recorded = (ROOT / "release" / "small.txt").read_text(encoding="utf-8").split("--- seed 9\n")[1]
    assert " ".join(recorded.split()[:40]) in " ".join(told.split())


@pytest.mark.slow
def test_the_z80_answers(site, browser):
    browser.get((site / "z80.html").as_uri())
    wait(browser, "/waits for a line/.test(document.getElementById('clock').textContent)")
    browser.execute_script(
        "document.querySelectorAll('[name=clock]')[1].click(); document.getElementById('typed').value = 'my name is sam'"
    )
    browser.execute_script("document.querySelector('#line button').click()")
    wait(browser, "/HELLO, SAM/.test(document.getElementById('screen').textContent)")
    assert severe(browser) == []


@pytest.mark.slow
def test_the_countdown_counts_to_the_configured_date(site, browser):
    browser.get((site / "countdown.html").as_uri())
    date = make_site.SETTINGS["release_date"]
    assert browser.execute_script("return document.getElementById('countdown').getAttribute('data-date')") == date
    shown = browser.execute_script(
        "return ['days','hours','minutes','seconds'].map(u => Number(document.getElementById(u).textContent))"
        ".concat((new Date(arguments[0]) - Date.now()) / 1000)",
        date,
    )
    left = shown[0] * 86400 + shown[1] * 3600 + shown[2] * 60 + shown[3]
    assert abs(left - max(0, shown[4])) <= 3600, "an hour, so that no busy machine fails this"


@pytest.mark.slow
def test_the_search_finds(site, browser):
    browser.get((site / "docs" / "index.html").as_uri())
    browser.execute_script("document.getElementById('site-words').focus()")
    wait(browser, "typeof FABLE6_PAGES !== 'undefined'")
    browser.execute_script(
        "const w = document.getElementById('site-words'); w.value = 'changed by text-mode transfer'; w.dispatchEvent(new Event('input'))"
    )
    links = browser.execute_script("return Array.from(document.querySelectorAll('#site-found a')).map(a => a.getAttribute('href'))")
    assert links and any(link.startswith("../docs/troubleshooting.html#") for link in links)
