"""What the scout looks at: the kinds of context, and the tiers that read more or fewer of them."""

from typing import NamedTuple

from fable6c import headers

_SIZES = headers.constants("scout")
DEPTHS, STATES, SETS, FINALS, SSE, BLOCK, PAST, STREAM_COUNT, LINKS = (
    _SIZES[name] for name in "DEPTHS STATES SETS FINALS SSE BLOCK PAST STREAMS LINKS".split()
)
MAX_TOKENS = 4096  # a table's slot has 12 bits for a token
# The order of the enum in _scout.c.
STREAMS = (
    "token class4 class6 class8 sentence_first sentence_place rare rare_before name content content_before word word_before quote"
).split()
STREAM_LIMITS = {
    "sentence_first": MAX_TOKENS - 1,
    "content": MAX_TOKENS - 1,
    "class4": 15,
    "class6": 63,
    "class8": 255,
    "sentence_place": 30,
    "quote": 1,
}
FORMS = ["dense", "list", "match", "window", "recent"]


class Kind(NamedTuple):
    """A kind of context: a form of _scout.c, the parts of the context as (stream, tokens back), `reach` for the forms without
    parts, and its share of the memory for tables."""

    form: str
    parts: tuple[tuple[str, int], ...] = ()
    reach: int = 0
    share: int = 0


def kind(text: str) -> Kind:
    """A line of KINDS: "list 4 token.1 token.2", "window 300", "match 1 7"."""
    form, *words = text.split()
    if form in ("window", "recent"):
        return Kind(form, reach=int(words[0]))
    share, *words = words
    if form == "match":
        return Kind(form, reach=int(words[0]), share=int(share))
    parts = [word.split(".") for word in words]
    return Kind(form, tuple((stream, int(lag)) for stream, lag in parts), share=int(share))


# What the scout looks at, the best of it first. A tier reads on to its line. The lists of the last 3, 4, … tokens and the match
# also choose the mixers' weights.
KINDS = """
dense 1
dense 3 token.1
dense 6 token.1 token.2
list 4 token.1 token.2 token.3
list 4 token.1 token.2 token.3 token.4
list 4 token.1 token.2 token.3 token.4 token.5
list 4 token.1 token.2 token.3 token.4 token.5 token.6
match 1 7
window 300
fast
dense 3 token.2
dense 6 class6.1 class6.2 class6.3
list 4 token.2 token.3
list 4 token.1 token.3
dense 6 rare.1 token.1
dense 3 class8.1 class6.2
normal
list 4 token.2 token.3 token.4
list 4 token.1 token.2 token.4
dense 4 token.1 class6.2
list 4 token.1 class6.2 class6.3 class4.4
list 4 token.1 token.2 class6.3 class6.4
list 4 class6.1 class6.2 class6.3 class6.4
list 4 name.1 token.1 token.2
list 3 sentence_first.1 token.1
dense 3 sentence_place.1 sentence_first.1
list 4 word.1 word_before.1
list 4 content.1 content_before.1 token.1
dense 4 content.1 class6.1
window 60
dense 4 rare.1 class6.1
list 4 rare.1 rare_before.1 token.1
recent 500
dense 3 token.3
dense 4 class8.1 class8.2
list 4 token.1 token.2 token.3 class6.4
list 4 token.1 token.3 token.4
list 4 class8.1 class8.2 class8.3
list 4 class8.1 class8.2 class8.3 class8.4
dense 4 class4.1 class4.2 class4.3 class4.4
list 4 sentence_first.1 token.1 token.2
dense 3 sentence_first.1 class6.1
window 30
window 1000
dense 3 name.1 class6.1
list 4 content.1 token.1 token.2
dense 3 token.4
match 1 4
dense 3 token.1 sentence_place.1
list 4 token.1 name.1 sentence_first.1
deep
"""
VECTORS = {"fast": 16, "normal": 32, "deep": 128}  # numbers of a token's vector


def read_tiers() -> dict[str, list[Kind]]:
    tiers: dict[str, list[Kind]] = {}
    kinds: list[Kind] = []
    for line in KINDS.split("\n"):
        if line in VECTORS:
            tiers[line] = list(kinds)
        elif line:
            kinds.append(kind(line))
    return tiers


TIERS = read_tiers()


def is_ladder(it: Kind) -> bool:
    return it.parts == tuple(("token", lag + 1) for lag in range(len(it.parts)))
