"""Headless browsers for the page, driven with Selenium, and a clock for it that goes by hand."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")

# The page's clock goes by hand: a picture in the middle of a story is the same each time.
CLOCK = """
    (() => {
      const realSet = window.setTimeout, realClear = window.clearTimeout, dues = new Map();
      let last = 1e9;
      window.setTimeout = (action, ms, ...rest) => ms < 40 || ms >= 3000 ? realSet(action, ms, ...rest) : dues.set(++last, action) && last;
      window.clearTimeout = timer => { dues.delete(timer) || realClear(timer); };
      window.waiting = () => dues.size;
      window.tick = () => { const actions = [...dues.values()]; dues.clear(); actions.forEach(action => action()); };
    })();
"""


def chromium(*flags):
    """A driver of Chromium that asks nothing of the network by itself."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        *flags,
    ]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
