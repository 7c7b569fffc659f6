"""The library module in Python, by fable6c.engine and wasm3: the figures of `fable6c --bench`, or a story.

python benchmarks/engine_python.py MODEL PROMPT TOKENS [story]
"""

import sys
import time

import common

sys.path.insert(0, common.ROOT)
from fable6c.engine import Engine

model, prompt, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3])

with open(model, "rb") as file:
    data = file.read()
engine = Engine()
start = time.perf_counter()
engine.load(data)
loading = time.perf_counter() - start
engine.sampling()
engine.seed(1)


def tell(count: int) -> None:
    for _ in range(count):
        if engine.step() is None:
            engine.feed("")  # and on with the next story


if sys.argv[4:] == ["story"]:
    sys.stdout.write(prompt + "".join(engine.generate(prompt, tokens)) + "\n")
else:
    count = len(engine.encode(prompt)) + 1  # with the end mark that begins a story
    for _ in range(2):  # as --bench does
        engine.feed(prompt[:124])
        tell(32)
    engine.reset()
    start = time.perf_counter()
    engine.feed(prompt)
    reading = time.perf_counter() - start
    start = time.perf_counter()
    tell(tokens)
    telling = time.perf_counter() - start
    print(f"load {1e3 * loading} ms")
    print(f"prompt {count / reading} tokens/s")
    print(f"story {tokens / telling} tokens/s")
    print(f"linear memory {engine._instance.memory_bytes / 1024} KiB")
