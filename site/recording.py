"""A recording of a terminal as one SVG, 90 seconds long: python site/recording.py [--out docs/images/recording.svg]

The commands are run, and what they print is what is drawn; only the pace is chosen. With reduced motion, and where SVG is not animated, the
last screen stands still.
"""

import argparse
import html
import pathlib
import re
import subprocess
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 80, 24
SECONDS = 90
CHARACTER, LINE = 8.43, 19  # of the font, in pixels
SCENES = [
    "# One file of a megabyte tells a story.",
    'build/fable6c release/small.f6c -p "Once upon a time" -s 7',
    "# The same seed in Python: the same story.",
    'python -m fable6c.generate release/small.f6c -p "Once upon a time" -n 30 -s 7',
    "# Every byte of a file is checked.",
    "python -m fable6c.inspect release/small.f6c --verify",
    "# And a Z80 with 64 KB chats.",
    'python -m fable6c.z80 run --full-speed --say "my name is sam" --say "what is my name"',
]


def run(command):
    """The lines that a command prints, folded as a terminal does."""
    if command.startswith("#"):
        return []
    words = command.replace("python ", f"{ROOT}/.venv/bin/python ", 1) if command.startswith("python ") else command
    done = subprocess.run(
        words, shell=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise SystemExit(f"recording: {command}: status {done.returncode}: {done.stdout.strip()[-200:]}")
    lines = []
    for line in done.stdout.rstrip().splitlines():
        lines += (
            [line[start : start + COLUMNS] for start in range(0, len(line), COLUMNS)]
            if " " not in line
            else textwrap.wrap(line, COLUMNS) or [""]
        )
    return lines


def script():
    """[(kind, text, weight)]: what appears, in order, and how long that takes in shares of the whole."""
    events = []
    for command in SCENES:
        prompt = [f"$ {command}"] if len(command) < COLUMNS - 2 else textwrap.wrap(f"$ {command}", COLUMNS, subsequent_indent="  ")
        events += [("typed", line, 1 + len(line) / 12) for line in prompt]
        events += [("told", line, 0.3 + len(line) / 20) for line in run(command)]
        events.append(("told", "", 1.5))
    return events


def draw(events):
    whole = sum(weight for _, _, weight in events)
    at, lines, scrolls = 0.0, [], [(0.0, 0)]
    for number, (kind, text, weight) in enumerate(events):
        start = at / whole * SECONDS
        lines.append(
            f'<text class="{kind}" x="14" y="{LINE * (number + 1) + 10}" style="animation-delay:{start:.2f}s">{html.escape(text)}</text>'
        )
        if number >= ROWS:
            scrolls.append((start, (number - ROWS + 1) * LINE))
        at += weight
    steps = "".join(f"{start / SECONDS:.3%}{{transform:translateY(-{y}px)}}" for start, y in scrolls)
    last = scrolls[-1][1]
    width, height = round(COLUMNS * CHARACTER + 28), ROWS * LINE + 24
    words = "A terminal: " + " ".join(re.sub(r"^\$ ", "", text) for kind, text, _ in events if kind == "typed")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{html.escape(words)}</title>
<style>
text{{font:14px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8d2c6;white-space:pre}}
.typed{{fill:#f0b48f}}
g{{transform:translateY(-{last}px)}}
@media (prefers-reduced-motion:no-preference){{
text{{opacity:0;animation:show .01s linear forwards}}
g{{transform:none;animation:scroll {SECONDS}s steps(1,end) forwards}}
}}
@keyframes show{{to{{opacity:1}}}}
@keyframes scroll{{{steps}100%{{transform:translateY(-{last}px)}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#17150f"/>
<svg y="4" width="{width}" height="{height - 10}"><g>
{chr(10).join(lines)}
</g></svg>
</svg>
"""


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "images" / "recording.svg")
    options = parser.parse_args(argv)
    options.out.write_text(draw(script()), encoding="utf-8")
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
