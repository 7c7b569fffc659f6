"""How many wishes a model fulfils: wishes are drawn from held-out stories by the rules of `corpus instruct`, and told at the default temperature.

    benchmarks/run.sh wishes release/small.f6c --text valid500.txt --starts valid500.starts.txt --survey train.txt.zst

A model that takes no wishes gets each as the opening that the page makes of it: its words count only where they come again after it.
"""

import argparse
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import numpy as np

from fable6c.corpus.instruct import SHARES, Survey, fields_of, has_length, mood, mood_judge, some_of, talks
from fable6c.data.text import normalize, read_documents
from fable6c.model.asking import CARD_KEY, words_missing, write_header
from fable6c.model.file import read_model
from fable6c.model.reference import Reference
from fable6c.model.tokenizer import Tokenizer

HERE = Path(__file__).resolve().parent
TOKENS = 1000


def held_out(text: str, starts: str) -> Iterator[str]:
    """The documents of a text, divided by end marks or at the character offsets that a file lists."""
    if not starts:
        yield from read_documents([text])
        return
    whole = Path(text).read_text(encoding="utf-8")
    places = [int(word) for word in re.findall(r"\d+", Path(starts).read_text())]
    for begin, end in zip(places, [*places[1:], len(whole)]):
        yield whole[begin:end]


def in_words(fields: dict[str, str]) -> str:
    """A wish as a person types it into the page."""
    parts = [word for word in fields.get("Words", "").split(", ") if word]
    parts += [f"a child called {fields['Name']}"] if "Name" in fields else []
    parts += [f"a {fields['Mood']} end"] if "Mood" in fields else []
    return ", ".join(parts)


def first_uses(path: str, stories: list[str], survey: Survey, judge: Callable[[str], float]) -> None:
    """Prints the mean loss, in nats, of the first token of each word of the header where the story first uses it."""
    model = read_model(path)
    reference, tokenizer, losses = Reference(model), Tokenizer(model.merges), {"with its header": [], "without": []}
    for number, story in enumerate(stories):
        fields = fields_of(story, survey, judge, random.Random(number))
        header = tokenizer.encode(write_header({name: fields[name] for name in ("Words", "Name") if name in fields})).tolist()
        words = {int(tokenizer.encode(" " + word)[0]) for word in fields.get("Words", "").split(", ") if word}
        ids = tokenizer.encode(story).tolist()
        places = [ids.index(word) for word in words if word in ids]
        for name, before in (("with its header", header), ("without", [])):
            tokens = [model.dimensions.end_mark, *before, *ids]
            logits = reference.forward(np.array([tokens[:-1]]))[0][0, len(before) :].astype(np.float64)
            losses[name] += [
                float(np.log(np.exp(logits[at] - logits[at].max()).sum()) + logits[at].max() - logits[at, ids[at]]) for at in places
            ]
    print(f"{path}: the first use of a word of the header, {len(losses['without'])} in {len(stories)} stories, costs in nats")
    for name, values in losses.items():
        print(f"  {name:16} {sum(values) / max(1, len(values)):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--text", required=True, help="held-out stories")
    parser.add_argument("--starts", default="", help="the character offsets at which they begin, where no end marks divide them")
    parser.add_argument("--survey", required=True, help="the training text: it says which words are names, and how frequent words are")
    parser.add_argument("--wishes", type=int, default=500)
    parser.add_argument("--out", default="", help="write wishes and stories there, one JSON object to a line")
    parser.add_argument(
        "--first-uses",
        type=int,
        default=0,
        metavar="N",
        help="instead: for so many stories, the loss of the first use of each word of the header, with the header and without",
    )
    options = parser.parse_args()

    survey, judge = Survey(read_documents([options.survey])), mood_judge()
    stories = [normalize(story) for story in held_out(options.text, options.starts)]
    if options.first_uses:
        first_uses(options.model, stories[: options.first_uses], survey, judge)
        return
    asks = CARD_KEY in read_model(options.model).card
    wishes, requests = [], []
    for number in range(options.wishes):
        draw = random.Random(number)
        fields = {name: value for name, value in fields_of(stories[number % len(stories)], survey, judge, draw).items() if name != "Begins"}
        wish = some_of(fields, draw)
        wishes.append(wish)
        requests.append({"prompt": write_header(wish) if asks else {"line": in_words(wish)}, "seed": number, "tokens": TOKENS})
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    told = subprocess.run(
        ["node", str(HERE / "tell.mjs"), options.model], input=lines, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    answers = [json.loads(line) for line in told.splitlines()]
    right: dict[str, list[bool]] = {name: [] for name in (*SHARES, "each word", "sad", "happy", "all of a wish", "ended", "begins again")}
    for wish, answer in zip(wishes, answers):
        story, whole = answer["text"], answer["text"] if asks else answer["opening"] + answer["text"]
        came = {}
        if "Words" in wish:
            asked = wish["Words"].split(", ")
            missing = words_missing(asked, story)
            came["Words"] = not missing
            right["each word"] += [word not in missing for word in asked]
        if "Name" in wish:
            came["Name"] = re.search(rf"\b{wish['Name']}\b", story) is not None
        if "Mood" in wish:
            came["Mood"] = mood(whole, judge) == wish["Mood"]
            right[wish["Mood"]].append(came["Mood"])
        if "Talk" in wish:
            came["Talk"] = talks(story) == (wish["Talk"] == "yes")
        if "Length" in wish:
            came["Length"] = has_length(whole, wish["Length"])
        for name, good in came.items():
            right[name].append(good)
        right["all of a wish"].append(all(came.values()))
        right["ended"].append(answer["ended"])
        right["begins again"].append("\nOnce upon a time" in story)
        answer["wish"], answer["came"] = wish, came
    if options.out:
        Path(options.out).write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    print(f"{options.model}: {len(wishes)} wishes" + ("" if asks else ", as openings"))
    for name, results in right.items():
        if results:
            print(f"  {name:13} {100 * sum(results) / len(results):5.1f} % of {len(results)}")


if __name__ == "__main__":
    sys.exit(main())
