"""Pictures of the site's pages at three widths, light and dark: python site/pictures.py [--site dist/site] [--out build/screenshots-site]

It needs selenium, and Chromium with chromedriver.
"""

import argparse
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "asengine" / "web"))

from browser import chromium  # noqa: E402

SIZES = [(1280, 800), (768, 1024), (320, 640)]
PAGES = {
    "index": "index.html",
    "download": "download.html",
    "z80": "z80.html",
    "countdown": "countdown.html",
    "docs": "docs/index.html",
    "numbers": "docs/numbers.html",
    "api": "docs/api.html",
    "plan": "release/PLAN.html",
    "card": "release/small.html",
}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=pathlib.Path, default=ROOT / "dist" / "site", help="default: dist/site")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "screenshots-site", help="default: build/screenshots-site")
    parser.add_argument("--whole", action="store_true", help="the whole page, not only what a window shows")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)}; default: all")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        driver = chromium("--hide-scrollbars")
        try:
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            for width, height in SIZES:
                for name in options.pages or PAGES:
                    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
                    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                    driver.get((options.site / PAGES[name]).resolve().as_uri())
                    time.sleep(4 if name in ("index", "z80") else 0.3)  # a story begins
                    if options.whole:
                        size["height"] = driver.execute_script("return document.documentElement.scrollHeight")
                        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                    driver.save_screenshot(str(options.out / f"{name}-{width}{'-dark' if dark else ''}.png"))
        finally:
            driver.quit()
    print(f"{options.out}: {len(list(options.out.glob('*.png')))} pictures")


if __name__ == "__main__":
    main()
