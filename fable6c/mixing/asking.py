"""Questions about a text that a scout has read, answered with a quote and its place. The work is done in C: fable6c/_scout_ask.c."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fable6c import headers, native
from fable6c.data.text import normalize, read_documents
from fable6c.errors import UserError
from fable6c.mixing.scout import Scout
from fable6c.progress import Progress

_SIZES = headers.constants("scout")
AT_ONCE, LONGEST = _SIZES["ASK_MOST"], _SIZES["ASK_QUESTION"] - 1


def plain(question: str) -> str:
    """The question as it is asked: in one line, with its mark. UserError for one that is too long or has one word only."""
    text = question.strip(" ?\r\n")
    if " " not in text or "\n" in text:
        raise UserError(f"{question[:40]!r}: ask in a line of several words, such as: Who found the key?")
    if len(text.encode()) > LONGEST:
        raise UserError(f"a question of {len(text.encode())} bytes is too long; {LONGEST} are the most")
    return text + "?"


def answers(scout: Scout, questions: Sequence[str], texts: Sequence[str], progress: bool = True) -> Iterator[dict[str, Any]]:
    """What the texts (their paths) say to each question; without a text, the last 4 million tokens that the scout read.

    Each answer is {question, answer, quote, file, document, line, gain, bits}: the quote is a sentence, which stands in that line (not
    counting empty ones) of that document of the file; without a text, `line` is the number of its first token. `gain` is how many bits the
    question costs less after the quote, `bits` what the answer costs after both. All are empty or 0 where no sentence has a word of the
    question. The texts are read twice for every AT_ONCE questions.
    """
    for start in range(0, len(questions), AT_ONCE):
        yield from _answer_some(scout, [plain(question) for question in questions[start : start + AT_ONCE]], texts, progress)


def _answer_some(scout: Scout, questions: Sequence[str], texts: Sequence[str], progress: bool) -> Iterator[dict[str, Any]]:
    library = native.load("scout")
    ffi, lib = library.ffi, library.lib
    merges = np.array(scout.tokenizer.merges, np.uint16).reshape(-1, 2)
    asking = library.call("ask_begin", merges, len(merges), "".join(f"{q}\n" for q in questions).encode())
    if asking == ffi.NULL:
        raise UserError("there is not enough memory for the questions")
    asking = ffi.gc(asking, lib.ask_end)
    for number, label in enumerate(("counting words", "looking")):
        if not texts:
            lib.ask_memory(asking, number, scout._c)
        with Progress(label, unit="characters", enabled=progress and bool(texts)) as shown:
            for file, path in enumerate(texts):
                for document, text in enumerate(read_documents([path]), 1):
                    for place, line in enumerate(filter(None, normalize(text).split("\n")), 1):
                        content = line.encode()
                        lib.ask_line(asking, number, content, len(content), file, document, place)
                    shown.add(len(text))
    answer = ffi.new("scout_answer *")
    for i, question in enumerate(questions):
        if lib.ask_answer(asking, scout._c, i, answer) < 0:
            raise UserError("there is not enough memory to read the text again")
        words = {name: ffi.string(getattr(answer, name)).decode("utf-8", "replace") for name in ("answer", "quote")}
        yield {
            "question": question,
            **words,
            "file": texts[answer.file] if texts else "",
            **{name: getattr(answer, name) for name in ("document", "line", "gain", "bits")},
        }
