"""Write the scores and speeds of the newest records into the pages that show them: `python benchmarks/scores.py`.

A page has a place for a table, `<!-- NAME -->` to `<!-- end of NAME -->`; what stands between is replaced. tests/test_scores.py says
whether all pages are current.
"""

import hashlib
import json
import pathlib
import re
from typing import Callable, Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["README.md", "docs/numbers.md", "release/README.md", "retrospective/README.md"]


def newest(name: str) -> dict:
    """The newest record with this name."""
    paths = sorted(ROOT.glob(f"benchmarks/record/*/{name}.json"))
    return json.loads(paths[-1].read_text(encoding="utf-8"))


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def score_of(path: pathlib.Path) -> dict:
    """The point of the curve that was measured with this model file."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return next(point for point in newest("curve")["points"] if point.get("model_sha256") == sha256)


def point_of(series: str, minutes: int) -> dict:
    return next(p for p in newest("curve")["points"] if p["series"] == series and round(p["minutes"]) == minutes)


def comparison() -> str:
    """Three rows for README."""
    ours, flash = score_of(ROOT / "release" / "small.f6c"), point_of("FlashLM v4, as published", 120)
    level = newest("curve")["levels"]["TinyStories-1M (GPU, 470 M tokens)"]
    return table(
        ["", "trained on", "bits per character", "what it runs on"],
        [
            [
                "**Fable-6 Nano `small`**",
                f"2 CPU threads, {ours['minutes'] / 60:.0f} hours",
                f"**{ours['bits_per_char']:.3f}**",
                "a browser tab to a Pentium, 1 MB",
            ],
            ["FlashLM v4 (published)", f"CPU, {flash['minutes'] / 60:.0f} hours", f"{flash['bits_per_char']:.3f}", "PyTorch"],
            ["TinyStories-1M (published)", "GPU, 470 M tokens", f"{level:.3f}", "PyTorch"],
        ],
    )


def curve() -> str:
    """All runs, best first within each size."""
    commands = {
        ("fable6c small", 120): "`release/small.toml`",
        ("fable6c small", 20): "`--preset small --config release/small.toml --minutes 20`",
        ("fable6c small", 5): "`--preset small --config release/small.toml --minutes 5`",
        ("fable6c small", 1): "`--preset small --config release/small.toml --minutes 1`",
        ("fable6c micro", 60): "`release/micro.toml`",
        ("fable6c micro", 5): "`--preset micro --config release/micro.toml --minutes 5`",
        ("fable6c micro", 1): "`--preset micro --minutes 1`, with `joined = 0.02` under `[train]` in a file for `--config`",
    }
    points = sorted(newest("curve")["points"], key=lambda p: (p["series"], -p["minutes"]))
    rows = []
    for point in points:
        minutes = round(point["minutes"])
        name = f"{point['series'].replace('fable6c ', '`')}`" if point["series"].startswith("fable6c") else point["series"]
        rows.append(
            [
                name,
                str(minutes),
                f"{point['tokens'] / 1e6:.1f}",
                f"{point['bits_per_char']:.4f}",
                commands.get((point["series"], minutes), ""),
            ]
        )
    rows += [[f"{name}", "", "", f"{bits:.4f}", ""] for name, bits in newest("curve")["levels"].items()]
    return table(["", "minutes", "million tokens seen", "bits per character", "made by"], rows)


def speeds() -> str:
    """The engine's median speeds."""
    models: dict[str, dict] = newest("engine")["models"]
    runtimes = list(models["small.f6c"]["runtimes"])
    rows = [
        [name, *(f"{models[model]['runtimes'][name]['story']['median']:,.0f}" for model in ("micro.f6c", "small.f6c"))] for name in runtimes
    ]
    return table(["tokens/s of a story", "`micro`", "`small`"], rows)


def release() -> str:
    scores = [score_of(ROOT / "release" / name) for name in ("small.f6c", "micro.f6c")]
    return table(
        ["", "`small.f6c`", "`micro.f6c`"],
        [["**valid500, bits per character**", *(f"**{score['bits_per_char']:.4f}**" for score in scores)]],
    )


def estimated() -> str:
    import scaling

    return table(["", "estimated bits per character, or ratio", "95 % of the fits"], scaling.rows())


TABLES: dict[str, Callable[[], str]] = {
    "comparison": comparison,
    "curve": curve,
    "speeds": speeds,
    "scores of the release": release,
    "scaling": estimated,
}


def filled(text: str, tables: Optional[dict[str, Callable[[], str]]] = None) -> str:
    """A page with its tables (these ones if no others are given) as the records have them."""
    for name, make in (TABLES if tables is None else tables).items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text = place.sub(lambda match, made=make: match[1] + "\n" + made() + "\n\n" + match[2], text)
    return text


if __name__ == "__main__":
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
        print(page)
