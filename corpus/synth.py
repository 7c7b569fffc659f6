"""The default corpus: short stories for children, from a seed, with words and grammar of our own.

    python -m fable6c.corpus.synth --bytes 4M --seed 1 -o stories.txt
    python -m fable6c.corpus.synth --stats --compare valid.txt

A story is told in four steps: draw a plot (`PLOTS`), a world and a season; bind every slot once (`_bind`: the hero is
Lily, `{he}` is "she", the thing is "a red ball"); expand the plot's rule of the grammar (`grammar.py`) with fresh
draws; fill the slots and put "a" and "an" right (`_tell`).  Because slots are bound once, the lost ball stays a ball.

The same seed gives the same bytes in every Python from 3.9 on: `random.Random.random()` is the only source of chance
(its Mersenne Twister is pinned by the language reference; `choice`, `sample` and `shuffle` are not).
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.corpus.synth")  # as a file, its folder would hide modules of Python's own

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import (
    Any,
    Callable,
    NamedTuple,
    NoReturn,
    Optional,
    Union,
)

from fable6c.corpus import words
from fable6c.corpus.grammar import GRAMMAR
from fable6c.corpus.instruct import HEADERS, LENGTHS, MAX_BEGINS, draw_for, sentences, some_of, talks, words_of
from fable6c.errors import UserError
from fable6c.files import atomic_file, open_file
from fable6c.model.asking import MAX_WORDS as MAX_ASKED
from fable6c.model.asking import write_header

END_OF_TEXT = "<|endoftext|>"
MIN_WORDS, MAX_WORDS = 80, 300  # length of a story
SEASONS = ("spring", "summer", "autumn", "winter")
WORLDS = ("town", "woods")  # in the town the heroes are children, in the woods they are animals

Draw = Callable[[], float]  # random.Random(seed).random
Slots = dict[str, str]


class Person(NamedTuple):
    name: str  # as the narrator says it: "Lily", "her mom", "Mr. Brown"
    gender: str  # "he" or "she"
    kind: str  # "girl", "fox", "mom"


class Story(NamedTuple):
    text: str  # paragraphs separated by one newline; no newline at the end
    plot: str  # a key of PLOTS
    world: str
    season: str
    hero: Person
    friend: Person
    grown_up: Person
    neighbor: Person
    animal: str  # always "it"
    thing: str  # the noun: "ball", "mittens"


class Plot(NamedTuple):
    """What a plot asks of its world, beyond a hero, a friend, a grown-up, an animal and a thing."""

    worlds: Sequence[str] = WORLDS
    seasons: Sequence[str] = SEASONS
    animal: str = ""  # a use listed in words.ANIMALS
    things: Sequence[str] = ()  # nouns of words.TOYS; empty: all


LIGHT_THINGS = (
    "kite",
    "ball",
    "hat",
    "cap",
    "scarf",
    "toy airplane",
    "hoop",
    "ribbon",
    "umbrella",
    "mask",
    "feather",
    "paper crane",
    "jump rope",
    "mittens",
    "yo-yo",
    "doll",
    "teddy bear",
    "puppet",
)
PLAYTHINGS = (
    "ball",
    "kite",
    "doll",
    "toy car",
    "toy boat",
    "toy train",
    "toy truck",
    "toy airplane",
    "toy horse",
    "toy robot",
    "drum",
    "crown",
    "mask",
    "cape",
    "marbles",
    "crayons",
    "building blocks",
    "paints",
    "puppet",
    "top",
    "yo-yo",
    "hoop",
    "jump rope",
    "dinosaur",
    "puzzle",
    "wooden duck",
    "shovel",
    "tambourine",
)
NOT_WINTER = ("spring", "summer", "autumn")

# A key names the rule of the grammar that is the plot's skeleton.
PLOTS: dict[str, Plot] = {
    "lost": Plot(animal="carrier"),
    "learn": Plot(),
    "share": Plot(),
    "fear": Plot(),
    "trick": Plot(),
    "rescue": Plot(animal="rescue"),
    "honest": Plot(),
    "storm": Plot(seasons=NOT_WINTER),
    "build": Plot(),
    "friend": Plot(),
    "plant": Plot(seasons=("spring", "summer")),
    "astray": Plot(),
    "bake": Plot(),
    "gift": Plot(),
    "race": Plot(),
    "night": Plot(),
    "wish": Plot(),
    "sick": Plot(),
    "found": Plot(),
    "quarrel": Plot(),
    "stuck": Plot(animal="climber", things=LIGHT_THINGS),
    "greedy": Plot(),
    "show": Plot(),
    "grumpy": Plot(),
    "secret": Plot(animal="pet"),
    "small": Plot(animal="rescue"),
    "tidy": Plot(things=PLAYTHINGS),
    "snow": Plot(seasons=("winter",), animal="rescue"),
    "market": Plot(worlds=("town",)),
    "fib": Plot(),
    "talking": Plot(),
}


# ------------------------------------------------------------------------------------------ chance


def _pick(draw: Draw, items: Sequence) -> Any:
    return items[int(draw() * len(items))]


def _pick_some(draw: Draw, items: Sequence, count: int) -> list:
    """`count` different items (the first steps of a Fisher-Yates shuffle)."""
    pool = list(items)
    for i in range(count):
        j = i + int(draw() * (len(pool) - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:count]


# ------------------------------------------------------------------------------------------ tables


def _rows(table: str, world: str, season: str) -> list[list[str]]:
    """The entries of a table of `words` that belong to this world and season, split into fields."""
    rows = []
    for line in table.strip().split("\n"):
        fields = line.split("|")
        if fields[-1].startswith("@"):
            tags = fields.pop()[1:].split(",")
            worlds = [tag for tag in tags if tag in WORLDS]
            seasons = [tag for tag in tags if tag in SEASONS]
            if (worlds and world not in worlds) or (seasons and season not in seasons):
                continue
        rows.append(fields)
    return rows


def _items(field: str) -> list[str]:
    """The `;` list of a field, which may go over several lines."""
    return [item for item in field.replace("\n", "").split(";") if item]


def _verb(name: str, phrase: str) -> Slots:
    """`chase/chased/chasing butterflies` as the slots {name}, {name_ed} and {name_ing}."""
    base, past, rest = phrase.split("/")
    present, _, tail = rest.partition(" ")
    tail = tail and " " + tail
    return {name: base + tail, name + "_ed": past + tail, name + "_ing": present + tail}


def _bare(noun: str) -> str:
    """`a carrot` as `carrot`."""
    return re.sub(r"^an? ", "", noun)


PRONOUNS = {  # subject, object, before a noun, alone, reflexive
    "she": ("she", "her", "her", "hers", "herself"),
    "he": ("he", "him", "his", "his", "himself"),
}


def _person(prefix: str, name: str, gender: str) -> Slots:
    """The slots of a person; those of the hero have no prefix: {he}, and {f_he} for the friend."""
    he, him, his, hers, himself = PRONOUNS[gender]
    lead = "" if prefix == "h" else prefix + "_"
    return {
        prefix: name,
        prefix + "_poss": name + "'s",
        lead + "he": he,
        lead + "him": him,
        lead + "his": his,
        lead + "hers": hers,
        lead + "himself": himself,
    }


class Lexicon:
    """The tables as they stand in one world and season, as lists of ready slots."""

    def __init__(self, world: str, season: str):
        def rows(table: str) -> Any:
            return _rows(table, world, season)

        self.plants = [{"plant": name, "seed": seed, "plant_gift": gift} for name, seed, gift in rows(words.PLANTS)]
        self.fears = [dict(zip(("fear", "fear_when", "fear_tip", "fear_did", "fear_turn"), row)) for row in rows(words.FEARS)]
        self.skills = [
            dict(zip(("skill", "skill_ing", "skill_ed", "skill_fail1", "skill_fail2", "skill_win"), row)) for row in rows(words.SKILLS)
        ]
        self.breakables = [
            {"brk": noun, "brk_a": "a " + noun, "brk_how": how, "brk_where": where} for noun, how, where in rows(words.BREAKABLES)
        ]
        self.projects = []
        for name, materials, trouble in rows(words.PROJECTS):
            slots = {"proj": name, "proj_a": "a " + name, "proj_bad": trouble}
            for i, material in enumerate(_items(materials), 1):
                slots["mat%d" % i], slots["mat%d_n" % i] = material, _bare(material)
            self.projects.append(slots)
        self.dishes = []
        for name, ingredients, missing in rows(words.DISHES):
            slots = {"dish": name, "dish_noun": _bare(name), "ing4": missing}
            slots.update(("ing%d" % i, item) for i, item in enumerate(_items(ingredients), 1))
            self.dishes.append(slots)

        self.things: dict[Sequence[str], list[tuple[str, Slots]]] = {}
        for wanted in {plot.things for plot in PLOTS.values()}:
            self.things[wanted] = [self._thing(*row) for row in rows(words.TOYS) if not wanted or row[0] in wanted]
        self.colors = _items(words.COLORS)
        self.animals: dict[str, list[tuple[list[str], Slots]]] = {}
        for use in {plot.animal for plot in PLOTS.values()}:
            self.animals[use] = [
                (_items(looks), {"a": noun, "a_said": sound, "a_home": home, "a_food": food})
                for noun, looks, sound, home, food, uses in rows(words.ANIMALS)
                if not use or use in _items(uses)
            ]

        activities = rows(words.ACTIVITIES)
        self.places = []
        for name, at, spots, sights, offers in rows(words.PLACES):
            slots = {"place": name, "place_noun": name[len("the ") :], "at": at + " " + name}
            verbs = [phrase for phrase, need in activities if not need or need in _items(offers)]
            acts = [[_verb("act%d" % i, phrase) for phrase in verbs] for i in (1, 2, 3)]
            self.places.append((slots, _items(spots), _items(sights), acts))
        weather, nature = next((_items(w), _items(n)) for name, w, n in rows(words.SEASONS) if name == season)
        self.weather, self.nature = weather, nature
        self.times = _items(words.TIMES)
        self.foods = _items(words.FOODS)
        self.ages = _items(words.AGES)
        self.people = _items(rows(words.PEOPLE.replace(";\n", ";"))[0][0])
        opposites = {frozenset(pair.split()) for pair in _items(words.OPPOSITES)}
        traits = _items(words.TRAITS)
        self.traits = [(a, b) for a in traits for b in traits if a != b and frozenset((a, b)) not in opposites]

        if world == "town":
            self.names = {"she": words.GIRLS, "he": words.BOYS}
            self.kinds = []
            self.homes = _items(words.HOUSES)
            self.body = ("hand", "hands", "foot", "feet")
        else:
            self.names = {"she": words.ANIMAL_GIRLS, "he": words.ANIMAL_BOYS}
            self.kinds = rows(words.WOODLAND)
            self.homes = []
            self.body = ("paw", "paws", "paw", "paws")
        self.grown_ups = rows(words.GROWN_UPS)
        self.neighbors = [(name, row[1]) for row in rows(words.NEIGHBORS) for name in _items(row[0])]
        self.roles = _items(words.FRIEND_ROLES)

    @staticmethod
    def _thing(noun: str, plural: str, use: str) -> tuple[str, Slots]:
        slots = _verb("o_use", use.replace("{o_them}", "them" if plural else "it"))
        slots["o_used"], slots["o_using"] = slots.pop("o_use_ed"), slots.pop("o_use_ing")
        slots["o"] = noun
        if plural:
            slots.update(o_it="they", o_them="them", o_was="were", o_is="are", o_nice="nice " + noun, o_is_this="are these")
        else:
            slots.update(o_it="it", o_them="it", o_was="was", o_is="is", o_nice="a nice " + noun, o_is_this="is this")
        article = {"": "a ", "pair of": "a pair of ", "some": "some "}[plural]
        return article, slots


# ------------------------------------------------------------------------------------------ grammar


class Rule:
    """A named rule; `alternatives` is filled in by `_compile`."""

    __slots__ = ("name", "alternatives")

    def __init__(self, name: str):
        self.name = name
        self.alternatives: list[Part] = []


# A compiled line is a text with %(slot)s in it, or a list of such texts, of tuples (inline alternatives) and of rules.
Part = Union[str, list, tuple, Rule]

_TOKEN = re.compile(r"\[|\]|\||<[^<>|\[\]]+>|[^\[\]|<]+")


class Grammar(NamedTuple):
    rules: dict[str, Rule]  # the plots' skeletons, by name
    capitals: tuple[str, ...]  # slots that are used with a capital


def _parse_rules(text: str) -> dict[str, list[str]]:
    """The lines of each rule of a grammar text."""
    rules: dict[str, list[str]] = {}
    for line in text.strip().split("\n"):
        if line.startswith("= "):
            lines = rules[line[2:]] = []
        elif line and not line.startswith("# "):
            lines.append(line)
    return rules


# What a line may say in other words: an apostrophe, or a word of the same meaning that fits wherever the first one
# does.  It makes a sentence of the grammar come in several shapes without being written several times.
OTHER_WORDS = {
    "cannot": "can't",
    "could not": "couldn't",
    "did not": "didn't",
    "do not": "don't",
    "Do not": "Don't",
    "does not": "doesn't",
    "was not": "wasn't",
    "were not": "weren't",
    "is not": "isn't",
    "will not": "won't",
    "would not": "wouldn't",
    "I am": "I'm",
    "I will": "I'll",
    "it is": "it's",
    "It is": "It's",
    "You are": "You're",
    "you are": "you're",
    "That is": "That's",
    "What is": "What's",
    "We will": "We'll",
    "Let us": "Let's",
    "let us": "let's",
    "They are": "They're",
    "very": "really",
    "began to": "started to",
    "at once": "right away",
    "again and again": "over and over",
    "everyone": "everybody",
    "Everyone": "Everybody",
    "nobody": "no one",
    "Nobody": "No one",
    "someone": "somebody",
    "for a moment": "for a second|for a bit",
    "The next day": "The day after|One day later",
    "came back": "returned",
    "small": "little|tiny",
    "happy": "glad|cheerful",
    "nice": "lovely|fine",
    "Soon": "Before long|In no time",
    "all alone": "all by {himself}|alone",
    "together": "side by side|together",
    "a long time": "quite a while",
    "picked up": "lifted up",
    "looked at": "gazed at|stared at",
    "knelt down": "crouched down",
    "quiet": "silent",
    "wonderful": "great|marvelous",
    "maybe": "perhaps",
    "Maybe": "Perhaps",
    "pieces": "bits",
    "shouted": "yelled",
    "laughed": "chuckled|giggled",
    "afraid": "scared|frightened",
    "clever": "smart",
    "every day": "each day",
    "hurried": "rushed",
    "the whole": "the entire",
    "tired": "weary",
}
_OTHER_WORDS = re.compile(r"(?<![\w{])(%s)(?= [a-z{])" % "|".join(OTHER_WORDS))


def _in_other_words(line: str) -> str:
    """`Let us go` as `[Let us|Let's] go`."""
    return _OTHER_WORDS.sub(lambda match: "[%s|%s]" % (match.group(1), OTHER_WORDS[match.group(1)]), line)


def _compile(source: dict[str, list[str]], roots: Sequence[str]) -> Grammar:
    """Compiles the rules that `roots` reach; a rule called for a person is compiled once for each person."""
    compiled: dict[str, Rule] = {}
    capitals = set()

    def slot(match: re.Match) -> str:
        name = match.group(1)
        if name.lower().startswith("h_") and name.lower() != "h_poss":
            name = name[2:]  # {x_his} told about the hero is {his}
        if name != name.lower():
            capitals.add(name.lower())
            name = "^" + name.lower()
        return "%(" + name + ")s"

    def literal(text: str) -> str:
        text = re.sub(r" *// *", "\n", text)
        return re.sub(r"\{(\w+)\}", slot, text)

    def rule(call: str) -> Rule:
        if call not in compiled:
            name, _, argument = call.partition(":")
            compiled[call] = Rule(name)
            for line in source[name]:
                if argument:
                    line = line.replace("{x", "{" + argument).replace("{X", "{" + argument.capitalize())
                    line = line.replace("<x>", "<" + argument + ">").replace(":x>", ":" + argument + ">")
                compiled[call].alternatives.append(alternatives(_TOKEN.findall(_in_other_words(line)))[0])
        return compiled[call]

    def alternatives(tokens: list[str]) -> list[Part]:
        """Consumes tokens up to the closing bracket and returns the parts between the bars."""
        result: list[Any] = []
        sequence: list[Any] = []
        while tokens:
            token = tokens.pop(0)
            if token == "]":
                break
            if token == "|":
                result.append(sequence)
                sequence = []
            elif token == "[":
                sequence.append(tuple(alternatives(tokens)))
            elif token[0] == "<":
                sequence.append(rule(token[1:-1]))
            else:
                sequence.append(literal(token))
        result.append(sequence)
        # A single text needs no list around it: `_expand` takes the short way.
        return [part[0] if len(part) == 1 and type(part[0]) is str else part or "" for part in result]

    skeletons = {root: rule(root) for root in roots}
    return Grammar(skeletons, tuple(sorted(capitals)))


def _expand(part: Any, draw: Draw, last: dict[str, int], out: Callable[[str], None]) -> None:
    """Appends one telling of `part`.  `last` holds each rule's last alternative, so that none comes twice running."""
    kind = type(part)
    if kind is str:
        out(part)
    elif kind is list:
        for item in part:
            if type(item) is str:
                out(item)
            else:
                _expand(item, draw, last, out)
    elif kind is tuple:
        _expand(part[int(draw() * len(part))], draw, last, out)
    else:
        choices = part.alternatives
        i = int(draw() * len(choices))
        if last.get(part.name) == i:
            i = (i + 1) % len(choices)
        last[part.name] = i
        _expand(choices[i], draw, last, out)


@cache
def _grammar() -> Grammar:
    return _compile(_parse_rules(GRAMMAR), tuple(PLOTS))


@cache
def _lexicon(world: str, season: str) -> Lexicon:
    return Lexicon(world, season)


# ------------------------------------------------------------------------------------------ a story


def _bind(draw: Draw, plot: Plot, world: str, season: str) -> tuple[Slots, dict[str, Person]]:
    """Draws who, what and where, and returns every slot and the cast."""
    lexicon = _lexicon(world, season)
    hand, hands, foot, feet = lexicon.body
    gender = "she" if draw() < 0.5 else "he"
    # Mostly a girl and a boy: then a pronoun can only mean one of them.
    other = gender if draw() < 0.3 else ("he" if gender == "she" else "she")
    name = friend = _pick(draw, lexicon.names[gender])
    while friend == name:
        friend = _pick(draw, lexicon.names[other])
    if world == "town":
        kind, friend_kind = ("girl" if who == "she" else "boy" for who in (gender, other))
        home, friend_home = _pick(draw, lexicon.homes), "house"
        friend_full = friend
    else:
        (kind, home), (friend_kind, friend_home) = _pick_some(draw, lexicon.kinds, 2)
        friend_full = friend + " the " + friend_kind
    slots = _person("h", name, gender)
    slots.update(_person("f", friend, other))
    his = slots["his"]

    family, call, elder = _pick(draw, lexicon.grown_ups)
    slots.update(_person("g", his + " " + family, elder))
    neighbor, neighbor_gender = _pick(draw, lexicon.neighbors)
    slots.update(_person("n", neighbor, neighbor_gender))
    role = _pick(draw, lexicon.roles)
    trait, trait2 = _pick(draw, lexicon.traits)

    article, thing = _pick(draw, lexicon.things[plot.things])
    color = _pick(draw, lexicon.colors)
    looks, animal = _pick(draw, lexicon.animals[plot.animal])
    while animal["a"] in (kind, friend_kind):
        looks, animal = _pick(draw, lexicon.animals[plot.animal])
    place, spots, sights, acts = _pick(draw, lexicon.places)
    act1, act2, act3 = _pick_some(draw, range(len(acts[0])), 3)
    nature = _pick_some(draw, lexicon.nature, 2)
    people = _pick_some(draw, lexicon.people, 3)

    for drawn in (
        thing,
        animal,
        place,
        acts[0][act1],
        acts[1][act2],
        acts[2][act3],
        _pick(draw, lexicon.plants),
        _pick(draw, lexicon.fears),
        _pick(draw, lexicon.skills),
        _pick(draw, lexicon.breakables),
        _pick(draw, lexicon.projects),
        _pick(draw, lexicon.dishes),
    ):
        slots.update(drawn)
    slots.update(zip(("spot1", "spot2", "spot3", "spot4", "spot5"), _pick_some(draw, spots, 5)))
    slots.update(zip(("see1", "see2"), _pick_some(draw, sights, 2)))
    old = "an old " + ("man" if neighbor_gender == "he" else "woman") if world == "town" else "an old goose"
    slots.update(
        kind=kind,
        home=home,
        hand=hand,
        hands=hands,
        foot=foot,
        feet=feet,
        trait=trait,
        trait2=trait2,
        age=_pick(draw, lexicon.ages),
        season=season,
        weather=_pick(draw, lexicon.weather),
        time=_pick(draw, lexicon.times),
        nat1=nature[0],
        nat2=nature[1],
        food=_pick(draw, lexicon.foods),
        f_kind=friend_kind,
        f_kind_a="a " + friend_kind,
        f_new="the new " + friend_kind,
        f_home=friend_home,
        f_role=role,
        f_ref=his + " " + role + " " + friend_full,
        f_ref_a="a " + role + " named " + friend_full,
        g_call=call,
        n_full=old + " named " + neighbor,
        o_adj=color,
        o_a=article + color + " " + thing["o"],
        a_hue=_pick(draw, looks),
        person1=people[0],
        person2=people[1],
        person3_a="a " + people[2],
    )
    for who in ("f_", "g_"):
        slots.update({who + "hand": hand, who + "hands": hands, who + "foot": foot, who + "feet": feet})
    for key in _grammar().capitals:
        value = slots[key]
        slots["^" + key] = value[0].upper() + value[1:]
    cast = {
        "hero": Person(name, gender, kind),
        "friend": Person(friend, other, friend_kind),
        "grown_up": Person(slots["g"], elder, family),
        "neighbor": Person(neighbor, neighbor_gender, "neighbor"),
    }
    return slots, cast


# Every noun phrase is written with "a"; these are the beginnings that are spoken with a vowel.
_AN = re.compile(r"\b([Aa]) (?=[aeioAEIO](?!ne\b|nce\b)|u(?!ni|se|ku)|hour|honest)")


def _tell(draw: Draw) -> Story:
    """One story, of any length."""
    plot = _pick(draw, _PLOT_NAMES)
    needs = PLOTS[plot]
    world = _pick(draw, needs.worlds)
    season = _pick(draw, needs.seasons)
    slots, cast = _bind(draw, needs, world, season)
    pieces: list[str] = []
    _expand(_grammar().rules[plot], draw, {}, pieces.append)
    text = "".join(pieces) % slots
    if "{" in text:  # a slot whose words have slots: "the ball bounced off {his} nose"
        text = text.format_map(slots)
    text = _AN.sub(r"\1n ", text)
    # Where an optional sentence was left out, two spaces met.
    text = text.replace("  ", " ").replace(" \n", "\n").replace("\n ", "\n").strip()
    return Story(text, plot, world, season, animal=slots["a"], thing=slots["o"], **cast)


_PLOT_NAMES = tuple(PLOTS)


def records(seed: int) -> Iterator[Story]:
    """Endless stories with their cast, MIN_WORDS to MAX_WORDS words each.  The same seed gives the same stories.

    ValueError for a negative seed, which `random` would take for its absolute value.
    """
    if seed < 0:
        raise ValueError("seed: expected a whole number from 0 on, got %d" % seed)
    draw = Random(seed).random
    while True:
        story = _tell(draw)
        if MIN_WORDS <= story.text.count(" ") + story.text.count("\n") + 1 <= MAX_WORDS:
            yield story


def stories(seed: int) -> Iterator[str]:
    """Endless stories as text: ASCII, paragraphs separated by one newline."""
    return (story.text for story in records(seed))


def fields_of(story: Story) -> dict[str, str]:
    """What one may ask of a story (docs/asking.md), from what the generator knows of it: its words are beings, things and the season."""
    told = set(re.split(r"\W+", story.text))
    known = [story.hero.kind, story.friend.kind, story.animal, story.thing.split(" ")[-1], story.season]
    words = [word for word in dict.fromkeys(known) if word in told]
    fields = {"Words": ", ".join(words[:MAX_ASKED])} if words else {}
    fields.update(Name=story.hero.name, Mood="happy", Talk="yes" if talks(story.text) else "no")  # every plot ends well
    for length, (low, high) in LENGTHS.items():
        if low <= words_of(story.text) <= high:
            fields["Length"] = length
    begins = sentences(story.text)[0]
    if len(begins) <= MAX_BEGINS:
        fields["Begins"] = begins
    return fields


def documents(seed: int, size_bytes: int, headers: bool = False) -> Iterator[str]:
    """Stories, each ending in a line `<|endoftext|>`, until there are at least `size_bytes` bytes; with `headers`, a share of them begins
    with one that asks for it.

    ValueError where `size_bytes` is not positive.
    """
    if size_bytes <= 0:
        raise ValueError("size_bytes: expected a positive number of bytes, got %d" % size_bytes)
    done = 0
    for story in records(seed):
        draw = draw_for(story.text, seed)
        header = write_header(some_of(fields_of(story), draw)) if headers and draw.random() < HEADERS else ""
        document = header + story.text + "\n" + END_OF_TEXT + "\n"
        yield document
        done += len(document)  # ASCII: a character is a byte
        if done >= size_bytes:
            return


def text(seed: int, size_bytes: int) -> str:
    """At least `size_bytes` bytes of whole documents (less than one story more).  ValueError as in `documents`."""
    return "".join(documents(seed, size_bytes))


# ------------------------------------------------------------------------------------------ statistics

STATS_BYTES = 4_000_000  # of each text: enough that a fixed set of templates would show


class TextStats(NamedTuple):
    words: int  # running words counted
    distinct: tuple[int, ...]  # distinct 1-, 2-, 3- and 4-grams among them
    zstd_ratio: float  # bytes / compressed bytes at level 19


def measure(corpus: str, word_limit: Optional[int] = None) -> TextStats:
    """Distinct n-grams of the first `word_limit` words, and the zstd ratio of `corpus`.

    ImportError without zstandard.
    """
    import zstandard

    running = re.findall(r"[a-z']+", corpus.replace(END_OF_TEXT, " ").lower())[:word_limit]
    distinct = tuple(len(set(zip(*(running[i:] for i in range(n))))) for n in (1, 2, 3, 4))
    raw = corpus.encode("utf-8")
    return TextStats(len(running), distinct, len(raw) / len(zstandard.ZstdCompressor(level=19).compress(raw)))


def _read_corpus(path: str, size_bytes: int) -> str:
    """The first `size_bytes` bytes of a text file, .zst accepted.  OSError, ValueError, UserError."""
    with open_file(path) as file:
        if path.endswith(".zst"):
            import zstandard

            try:
                raw = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file).read(size_bytes)
            except zstandard.ZstdError as error:
                raise ValueError("%s is not readable as zstd: %s" % (path, error)) from None
        else:
            raw = file.read(size_bytes)
    if not raw.strip():
        raise ValueError("%s is empty" % path)
    return raw.decode("utf-8", errors="ignore")  # the cut may go through a character


def _print_stats(seed: int, size_bytes: int, compare: Optional[str]) -> None:
    other = _read_corpus(compare, size_bytes) if compare else ""
    # Equal bytes on both sides: a ratio grows with the size of what is compressed.
    size_bytes = min(size_bytes, len(other.encode("utf-8"))) if other else size_bytes
    start = time.process_time()  # not the clock on the wall: what else runs here is not ours to count
    ours = text(seed, size_bytes)
    seconds = time.process_time() - start
    corpora = [("synth seed %d" % seed, ours)] + ([(os.path.basename(compare), other)] if compare else [])
    limit = min(len(re.findall(r"[a-z']+", corpus.lower())) for _, corpus in corpora)
    print("%-20s %9s %9s %8s %8s %8s %8s %6s" % ("text", "bytes", "words", "1-grams", "2-grams", "3-grams", "4-grams", "zstd"))
    for name, corpus in corpora:
        stats = measure(corpus, limit)
        distinct = " ".join(f"{count:8d}" for count in stats.distinct)
        print(f"{name[:20]:20} {len(corpus.encode('utf-8')):9d} {stats.words:9d} {distinct} {stats.zstd_ratio:6.2f}")
    print("n-grams are distinct ones among equally many words; zstd is bytes per compressed byte at level 19")
    print("generated %.1f MB in %.2f s of processor time: %.1f MB/s" % (len(ours) / 1e6, seconds, len(ours) / 1e6 / max(seconds, 1e-9)))


# ------------------------------------------------------------------------------------------ command line


def parse_size(value: str) -> int:
    """`4M` as 4000000: a positive number, with k, M or G for powers of 1000, Ki, Mi or Gi for powers of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:([kKMG])(i?))?B?", value.strip())
    size = 0
    if match:
        number, unit, binary = match.groups()
        size = int(float(number) * (1024 if binary else 1000) ** (" kMG".index(unit.replace("K", "k")) if unit else 0))
    if size <= 0:
        raise argparse.ArgumentTypeError("%r is not a size; write a positive number of bytes such as 500k, 4M or 1G" % value)
    return size


def parse_seed(value: str) -> int:
    """A whole number from 0 on: `random` takes -1 for 1, and two names for one text would mislead."""
    if not re.fullmatch(r"\d{1,18}", value):
        raise argparse.ArgumentTypeError("%r is not a seed; write a whole number from 0 on" % value)
    return int(value)


def _write(seed: int, size_bytes: int, path: Optional[str], headers: bool) -> None:
    """Writes documents to `path`, which appears only when it is complete, or to standard output.  OSError, UserError."""
    if path is None:
        for document in documents(seed, size_bytes, headers):
            sys.stdout.write(document)
        sys.stdout.flush()
        return
    done, shown = 0, time.monotonic()
    with atomic_file(path) as file:
        for document in documents(seed, size_bytes, headers):
            done += file.write(document.encode("ascii"))
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                print("synth: %.1f of %.1f MB" % (done / 1e6, size_bytes / 1e6), file=sys.stderr)
    print("synth: wrote %d bytes to %s (seed %d)" % (done, path, seed), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, exit code 2."""
        self.exit(2, "synth: %s (see --help)\n" % message)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command; returns the exit code: 0 done, 1 failure, 2 (by SystemExit) wrong usage."""
    parser = _Parser(
        prog="python -m fable6c.corpus.synth",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS,
        allow_abbrev=False,
        description="Writes short stories for children, made from a seed, as text to train a language model on.\n"
        "Each story ends in a line %s; the same seed gives the same bytes everywhere.\n\n"
        "example:\n  python -m fable6c.corpus.synth --bytes 4M --seed 1 -o stories.txt" % END_OF_TEXT,
    )
    parser.add_argument(
        "--bytes",
        type=parse_size,
        default=None,
        metavar="SIZE",
        help="at least this much text, in whole stories: 500k, 4M, 1G (default 4M)",
    )
    parser.add_argument("--seed", type=parse_seed, default=1, help="a whole number from 0 on (default 1)")
    parser.add_argument(
        "--headers", action="store_true", help="write before most stories what one would ask for to get them, as `instruct` does"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument(
        "--stats", action="store_true", help="write no text; print distinct n-grams, the zstd ratio and the speed of this generator"
    )
    parser.add_argument("--compare", metavar="PATH", help="with --stats: a text, or .zst of one, to put beside ours")
    options = parser.parse_args(argv)
    if options.compare and not options.stats:
        parser.error("--compare needs --stats")
    if options.stats and (options.output or options.headers):
        parser.error("--stats prints a table and writes no text; leave out -o and --headers")
    size_bytes = options.bytes or STATS_BYTES
    try:
        if options.stats:
            _print_stats(options.seed, size_bytes, options.compare)
        else:
            _write(options.seed, size_bytes, options.output, options.headers)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("synth: stopped; no file was written", file=sys.stderr)
        return 130
    except ImportError as error:
        print("synth: %s; --stats needs it: pip install zstandard" % error, file=sys.stderr)
        return 1
    except OSError as error:
        where = getattr(error, "filename", None) or options.output or "standard output"
        print("synth: cannot use %s: %s" % (where, error.strerror or error), file=sys.stderr)
        return 1
    except (ValueError, UserError) as error:
        print("synth: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
