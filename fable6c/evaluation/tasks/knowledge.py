"""Knowing the story: made-up items in the words of children's stories, two ways to go on, one of them right.

    Tim put the ball in the box. He put the hat under the bed. Then he wanted the ball. He looked      in the box.   / under the bed.

An item is right if the whole text with the right end has the higher sum of log-probabilities than with the wrong one. Items come in
twins with nearly the same words and exchanged ends (there: "he wanted the hat"), so that liking one end more whatever stands before is
worth chance, 0.5; so are two ends that cost the same. Intervals draw twins together. ITEMS_OF_A_KIND items of each kind are drawn with a fixed seed; all are the project's own.
"""

import random
from typing import Callable, NamedTuple

from fable6c.evaluation.predictors import Predictor
from fable6c.evaluation.statistics import share
from fable6c.evaluation.tasks import Asked

NAME, TITLE = "knowledge", "Knowing the story"
ITEMS_OF_A_KIND, QUICK_ITEMS = 150, 50
SEED = 29

GIRLS = "Lily Mia Sara Anna Lucy Emma Sue Amy Jane Molly".split()
BOYS = "Tim Tom Ben Max Sam Jack Leo Bob Joe Billy".split()
THINGS = "ball hat book doll car cup kite spoon shoe bear drum key".split()
PLACES = (
    "in the box/under the bed/on the table/behind the door/in the bag/on the chair/under the tree/in the drawer/on the shelf/in the garden"
).split("/")
COLORS = "red blue green yellow pink white".split()


class Item(NamedTuple):
    """context + right or context + wrong; `twin` numbers the twins."""

    kind: str
    twin: int
    context: str
    right: str
    wrong: str


Twins = tuple[tuple[str, str], tuple[str, str]]  # (context, right end) of both: each one's wrong end is the other's right one


def run(asked: Asked) -> dict:
    return score(asked.predictor, items(QUICK_ITEMS if asked.quick else ITEMS_OF_A_KIND), asked.progress)


def score(predictor: Predictor, chosen: list[Item], progress: bool = False) -> dict:
    """Accuracy with intervals, over all items and of each kind; examples: the item of each kind that was clearest right and clearest wrong."""
    texts = [predictor.tokenizer.encode(item.context + end) for item in chosen for end in (item.right, item.wrong)]
    bits = [float(row.sum()) for row in predictor.alone(texts, progress)]
    lead = [wrong - right for right, wrong in zip(bits[::2], bits[1::2])]
    points = [1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in lead]
    kinds, examples = {}, {}
    for kind in dict.fromkeys(item.kind for item in chosen):
        rows = [i for i, item in enumerate(chosen) if item.kind == kind]
        kinds[kind] = share([points[i] for i in rows], [chosen[i].twin for i in rows])
        best, worst = max(rows, key=lambda i: lead[i]), min(rows, key=lambda i: lead[i])
        examples[kind] = [{**chosen[i]._asdict(), "lead_bits": lead[i]} for i in (best, worst)]
    return {
        "accuracy": share(points, [(item.kind, item.twin) for item in chosen]),
        "chance": 0.5,
        "kinds": kinds,
        "examples": examples,
    }


def items(of_a_kind: int = ITEMS_OF_A_KIND) -> list[Item]:
    """The items: the same ones in every run, `of_a_kind` (even) of each kind, none twice."""
    chosen = []
    for kind, make in KINDS.items():
        draw = random.Random(f"{SEED} {kind}")
        seen: set[tuple[str, str]] = set()
        while len(seen) < of_a_kind:
            (context, right), (other, wrong) = twins = make(draw)
            if not seen.intersection(twins):
                twin = len(seen) // 2
                chosen += [Item(kind, twin, context, right, wrong), Item(kind, twin, other, wrong, right)]
                seen.update(twins)
    return chosen


# ---- the kinds: each draws a pair of twins


def _child(draw: random.Random) -> tuple[str, str, str, str]:
    """A name, and its he, his, him or she, her, her."""
    if draw.random() < 0.5:
        return draw.choice(GIRLS), "she", "her", "her"
    return draw.choice(BOYS), "he", "his", "him"


def _two(draw: random.Random, words: list[str]) -> tuple[str, str]:
    first, second = draw.sample(words, 2)
    return first, second


def agreement(draw: random.Random) -> Twins:
    """Subject and verb in number, half of the time with another noun of the other number between them."""
    one, many = draw.choice([
        ("dog", "dogs"), ("cat", "cats"), ("bird", "birds"), ("girl", "girls"), ("boy", "boys"), ("tree", "trees"), ("frog", "frogs"),
        ("child", "children"), ("mouse", "mice"), ("flower", "flowers"), ("toy", "toys"), ("duck", "ducks"),
    ])  # fmt: skip
    other, others = draw.choice([("house", "houses"), ("box", "boxes"), ("chair", "chairs"), ("river", "rivers"), ("car", "cars")])
    singular, plural = draw.choice([("was", "were"), ("is", "are"), ("has", "have")])
    rest = draw.choice([" very big.", " all wet.", " not far away."] if singular != "has" else [" a nice place.", " no more food."])
    adjective = draw.choice(["little", "old", "happy", "small", "pretty", "brown"])
    between = draw.choice([("", ""), (f" near the {others}", f" near the {other}"), (f" by the {others}", f" by the {other}")])
    return (
        (f"The {adjective} {one}{between[0]}", f" {singular}{rest}"),
        (f"The {adjective} {many}{between[1]}", f" {plural}{rest}"),
    )


def pronouns(draw: random.Random) -> Twins:
    """He and she, his and her, and which of two names is meant."""
    girl, boy = draw.choice(GIRLS), draw.choice(BOYS)
    case = draw.randrange(4)
    thing, color = draw.choice(THINGS), draw.choice(COLORS)
    if case == 0:
        rest = draw.choice([" liked to play outside.", " was very happy.", " loved to sing.", " wanted to go to the park."])
        return (
            (f"Once upon a time, there was a little girl named {girl}.", f" She{rest}"),
            (f"Once upon a time, there was a little boy named {boy}.", f" He{rest}"),
        )
    if case == 1:
        return (
            (f"{girl} had a {color} {thing}. One day, {girl} lost", f" her {thing}."),
            (f"{boy} had a {color} {thing}. One day, {boy} lost", f" his {thing}."),
        )
    if case == 2:
        return (
            (f'A girl met a boy in the park. The girl said, "Hi, I am {girl}." The boy said, "Hi, I am {boy}." The name of the girl was', f" {girl}."),
            (f'A girl met a boy in the park. The girl said, "Hi, I am {girl}." The boy said, "Hi, I am {boy}." The name of the boy was', f" {boy}."),
        )  # fmt: skip
    return (
        (f"{girl} and {boy} went to the {draw.choice(['park', 'beach', 'zoo', 'farm'])}. {girl} was tired, so", " she sat down."),
        (f"{girl} and {boy} went to the park with the {color} {thing}. {boy} was tired, so", " he sat down."),
    )


def places(draw: random.Random) -> Twins:
    name, he, _, _ = _child(draw)
    first, second = _two(draw, THINGS)
    here, there = _two(draw, PLACES)
    story = f"{name} put the {first} {here}. Then {he} put the {second} {there}. Later, {name} wanted the"
    looked = draw.choice([f" again. {he.capitalize()} found it", f". {he.capitalize()} looked", ". It was still"])
    return ((f"{story} {first}{looked}", f" {here}."), (f"{story} {second}{looked}", f" {there}."))


def owners(draw: random.Random) -> Twins:
    girl, boy = draw.choice(GIRLS), draw.choice(BOYS)
    first, second = _two(draw, THINGS)
    color, other = _two(draw, COLORS)
    case = draw.randrange(3)
    if case == 0:
        story = f"{girl} had a {color} {first} and {boy} had a {other} {second}. They played all day. Then {{}} went home with"
        return (
            (story.format(girl), f" the {first}."),
            (story.format(boy), f" the {second}."),
        )
    if case == 1:
        end = f' Mom asked, "Who has the {first}?" It was'
        return (
            (f"{boy} had a {color} {first}. {boy} gave the {first} to {girl}. {girl} said thank you.{end}", f" {girl}."),
            (f"{girl} had a {color} {first}. {girl} gave the {first} to {boy}. {boy} said thank you.{end}", f" {boy}."),
        )
    story = f'{girl} had a {color} {first}. {boy} had a {other} {first}. "My {first} is'
    return ((f'{story} {color}," said', f" {girl}."), (f'{story} {other}," said', f" {boy}."))


FEELINGS = {
    "happy": ["{n} got a big present from Grandma.", "{n} found the lost puppy.", "{n} won the game.", "Mom gave {n} a big hug.",
              "It was {n}'s birthday and all {h} friends came.", "{n} got a new toy.", "Dad said they would go to the park.", "{n}'s friend came to play."],
    "sad": ["{n} lost {h} favorite toy.", "{n}'s balloon flew away.", "{n}'s best friend moved far away.", "{n} dropped {h} ice cream on the ground.",
            "{n}'s toy broke.", "Nobody wanted to play with {n}.", "{n}'s little bird died.", "It rained and {n} could not go to the park."],
    "scared": ["{n} heard a loud noise in the dark.", "{n} saw a big monster.", "A big dog ran at {n} and barked.", "{n} was lost in the dark forest.",
               "There was a loud thunder and the lights went out.", "{n} saw a big snake."],
    "angry": ["{n}'s brother broke {h} toy on purpose.", "A boy took {n}'s toy and did not give it back.", "Someone ate {n}'s cake and lied.",
              "A girl pushed {n} and laughed."],
    "tired": ["{n} ran and played all day long.", "{n} did not sleep all night.", "{n} walked a very long way."],
    "hungry": ["{n} did not eat all day.", "{n} had no breakfast and no lunch.", "{n}'s tummy made a loud sound, and {p} wanted some food."],
    "proud": ["{n} tied {h} shoes alone for the first time.", "{n} made a beautiful picture and everybody clapped."],
}  # fmt: skip


def feelings(draw: random.Random) -> Twins:
    name, he, his, _ = _child(draw)
    first, second = _two(draw, list(FEELINGS))
    link = draw.choice([f"{he.capitalize()} was very", f"{name} felt very", f"{he.capitalize()} felt so", f"{name} was so"])
    events = [draw.choice(FEELINGS[feeling]).format(n=name, h=his, p=he) for feeling in (first, second)]
    return ((f"{events[0]} {link}", f" {first}."), (f"{events[1]} {link}", f" {second}."))


CAUSES = [
    ("It rained all day. The grass was", " wet.", "The sun was hot for many days and no rain came. The grass was", " dry."),
    ("{n} played in the mud. {h} clothes were", " dirty.", "{n} washed all the clothes with soap. {h} clothes were", " clean."),
    ("{n} put the milk in the fridge. Soon the milk was", " cold.", "{n} put the milk on the fire. Soon the milk was", " hot."),
    ("{n} turned off the light. The room was", " dark.", "{n} turned on the light. The room was", " bright."),
    ("{n} blew and blew into the balloon. The balloon got", " bigger.", "The air went out of the balloon. The balloon got", " smaller."),
    ("{n} watered the flower each day. The flower", " grew.", "{n} forgot to water the flower. The flower", " died."),
    ("The glass fell on the hard floor. The glass", " broke.", "The glass fell on the soft bed. The glass", " was fine."),
    ("{n} fell off the bike and hurt {o} knee. {n} started to", " cry.", "{n} heard a very funny joke. {n} started to", " laugh."),
    ("{n} ate nothing all day. {p} wanted to", " eat.", "{n} was awake all night. {p} wanted to", " sleep."),
    ("It was very cold outside. {n} put on {o}", " coat.", "It was very hot and sunny at the beach. {n} put on {o}", " swimsuit."),
    ("It started to rain. {n} opened {o}", " umbrella.", "It was {n}'s birthday. {n} opened {o}", " present."),
    ("{n} ate too much cake. {h} tummy", " hurt.", "{n} drank some warm milk. {h} tummy", " felt good."),
    ("The ice stood in the hot sun. The ice", " melted.", "The water stood in the cold snow all night. The water", " froze."),
    ("{n} opened the door of the cage. The bird", " flew away.", "{n} closed the door of the cage. The bird", " stayed inside."),
    ("{n} did not hold the string. The balloon", " flew away.", "{n} poked the balloon with a pin. The balloon", " popped."),
    ("{n} shared the toys with everybody. The other children were", " glad.", "{n} took all the toys away. The other children were", " mad."),
]  # fmt: skip
SETTINGS = [
    "",
    "One day, {n} was at home. ",
    "One morning, {n} woke up early. ",
    "{n} was with Mom. ",
    "{n} was with Dad. ",
    "One day, {n} was at {o} friend's house. ",
]


def causes(draw: random.Random) -> Twins:
    name, he, his, _ = _child(draw)
    words = {"n": name, "p": he.capitalize(), "h": his.capitalize(), "o": his}
    first, right, second, wrong = draw.choice(CAUSES)
    setting = draw.choice(SETTINGS)
    return ((setting + first).format(**words), right), ((setting + second).format(**words), wrong)


OPPOSITES = [
    ("big", "small", "elephant", "mouse"), ("fast", "slow", "rabbit", "turtle"), ("hot", "cold", "soup", "ice cream"), ("old", "young", "man", "boy"),
    ("loud", "quiet", "lion", "mouse"), ("strong", "weak", "bear", "bunny"), ("tall", "short", "tree", "bush"), ("wet", "dry", "towel", "blanket"),
    ("clean", "dirty", "shirt", "shoe"), ("good", "bad", "fairy", "witch"), ("hard", "soft", "rock", "pillow"), ("heavy", "light", "stone", "feather"),
    ("happy", "sad", "girl", "boy"), ("full", "empty", "cup", "bottle"), ("new", "old", "car", "bike"), ("kind", "mean", "king", "wolf"),
]  # fmt: skip


def opposites(draw: random.Random) -> Twins:
    first, second, this, that = draw.choice(OPPOSITES)
    case = draw.randrange(4)
    name = draw.choice([*GIRLS, *BOYS])
    if case == 0:
        return ((f"{name} saw that the {this} was {first}, but the {that} was not {first}. The {that} was", f" {second}."),
                (f"{name} saw that the {that} was {second}, but the {this} was not {second}. The {this} was", f" {first}."))  # fmt: skip
    if case == 1:
        return ((f'{name} asked, "Is the {this} {second}?" "No," said Mom. "It is not {second}. It is', f' {first}."'),
                (f'{name} asked, "Is the {this} {first}?" "No," said Mom. "It is not {first}. It is', f' {second}."'))  # fmt: skip
    if case == 2:
        return ((f"{name} had two toys. One was {second} and the other one was", f" {first}."),
                (f"{name} had two toys. One was {first} and the other one was", f" {second}."))  # fmt: skip
    return (
        (f"{name} said that the opposite of {second} is", f" {first}."),
        (f"{name} said that the opposite of {first} is", f" {second}."),
    )


COUNTED = "apple ball cookie book flower toy cat dog car egg shell star".split()


def counting(draw: random.Random) -> Twins:
    name, he, _, _ = _child(draw)
    thing = draw.choice(COUNTED)
    other = draw.choice([word for word in COUNTED if word != thing])
    he = he.capitalize()
    case = draw.randrange(5)
    if case == 0:
        return ((f"{name} had one {thing}. Mom gave {name} one more {thing}. Now {name} had", f" two {thing}s."),
                (f"{name} had two {thing}s. Mom gave {name} one more {thing}. Now {name} had", f" three {thing}s."))  # fmt: skip
    if case == 1:
        return ((f"{name} had three {thing}s. {he} gave one {thing} to Mom. Now {name} had", f" two {thing}s."),
                (f"{name} had two {thing}s. {he} gave one {thing} to Mom. Now {name} had", f" one {thing}."))  # fmt: skip
    if case == 2:
        return ((f'{name} counted the {thing}s. "One,', ' two,'), (f'{name} counted the {thing}s. "One, two,', ' three,'))  # fmt: skip
    if case == 3:
        return ((f"{name} saw a red {thing} and a blue {thing}. {he} counted the {thing}s. There were", " two."),
                (f"{name} saw a red {thing}, a blue {thing} and a green {thing}. {he} counted the {thing}s. There were", " three."))  # fmt: skip
    return ((f"{name} had two {thing}s and three {other}s. {he} counted the {thing}s. There were", " two."),
            (f"{name} had two {thing}s and three {other}s. {he} counted the {other}s. There were", " three."))  # fmt: skip


KINDS: dict[str, Callable[[random.Random], Twins]] = {
    "agreement": agreement,
    "pronouns and names": pronouns,
    "where things are": places,
    "who has what": owners,
    "feelings that follow": feelings,
    "cause and effect": causes,
    "opposites": opposites,
    "counting to three": counting,
}
