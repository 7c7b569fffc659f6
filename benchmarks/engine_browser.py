"""The library module in headless Chromium, as the page runs it: the figures of `fable6c --bench`, or a story.

    python benchmarks/engine_browser.py wasm|javascript|interpreted MODEL PROMPT TOKENS [story]

wasm: the WebAssembly module; javascript: wasm2js's form of it, compiled by V8; interpreted: the same without a just-in-time compiler
(--jitless), as in a locked-down browser. Needs Selenium, Debian's chromium and chromium-driver, and `npm run page`.
"""

import base64
import os
import sys
import tempfile

import common

sys.path.insert(0, os.path.join(common.ROOT, "asengine", "web"))
from browser import chromium

MEASURE = """
const [kind, model64, prompt, tokens, story, done] = arguments;
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const engine = kind === "wasm" ? new WebAssembly.Instance(new WebAssembly.Module(bytes(wasm64))).exports : fallback(Math);
const model = bytes(model64), decoder = new TextDecoder();
const memory = () => new Uint8Array(engine.memory.buffer);
const textMade = length => decoder.decode(memory().subarray(engine.text_buffer(), engine.text_buffer() + length));
const feed = text => {
  const data = new TextEncoder().encode(text);
  memory().set(data, engine.text_buffer());
  const count = engine.feed(data.length);
  while (engine.pending() > 0) engine.step();
  return count;
};
const tell = count => { for (let made = 0; made < count; made++) if (engine.step() < 0) feed(""); };

let start = performance.now();
const address = engine.file_buffer(model.length);
memory().set(model, address);
const code = engine.load(model.length, 1 << 20), loading = performance.now() - start;
if (code !== 0) return done("load: " + code);
engine.sampling(0.8, 40, 1, 2.5);
engine.seed(1);
if (story) {
  feed(prompt);
  let text = prompt;
  for (let made = 0, length; made < tokens && (length = engine.step()) >= 0; made++) text += textMade(length);
  return done(text + textMade(engine.flush()));
}
for (let time = 0; time < 2; time++) { // as --bench does
  feed(prompt.slice(0, 124));
  tell(32);
}
engine.reset();
start = performance.now();
const count = feed(prompt), reading = performance.now() - start;
start = performance.now();
tell(tokens);
const telling = performance.now() - start;
done(`load ${loading} ms\\nprompt ${1000 * count / reading} tokens/s\\nstory ${1000 * tokens / telling} tokens/s\\n`
  + `linear memory ${memory().length / 1024} KiB`);
"""


def main():
    kind, model, prompt, tokens = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    with open(os.path.join(common.ROOT, "dist", "fable6.js"), encoding="utf-8") as file:
        library = file.read()
    engines = library[library.index("\nfunction fallback(Math)") : library.index("\n/** A storyteller.")]  # and wasm64
    with open(model, "rb") as file:
        data = base64.b64encode(file.read()).decode("ascii")
    with tempfile.TemporaryDirectory() as folder:
        page = os.path.join(folder, "page.html")
        with open(page, "w", encoding="utf-8") as file:
            file.write(f'<!DOCTYPE html><meta charset="utf-8"><title>benchmark</title><script>{engines}</script>')
        flags = ["--js-flags=--jitless"] if kind == "interpreted" else []
        driver = chromium(f"--user-data-dir={folder}/profile", *flags)
        try:
            driver.set_script_timeout(600)
            driver.get("file://" + page)
            print(driver.execute_async_script(MEASURE, kind, data, prompt, tokens, sys.argv[5:] == ["story"]))
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
