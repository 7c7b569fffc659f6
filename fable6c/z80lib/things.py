"""20 Questions: the things, what is true of them, and the ways in which people ask. All made up here, by rules and a seed.

    python -c "from fable6c.z80lib import things; print(*things.lines(1, 20), sep='\\n')"

A thing has traits, written `trait` for YES and `~trait` for MAYBE; every other trait is NO. A kind brings its traits along, and `!trait`
takes one of them back. A question is a frame with the words for a trait in it, or with the name of a thing.
"""

import functools
import random
from collections.abc import Sequence
from typing import NamedTuple

# Traits that a kind of thing has.
KINDS = {
    "animal": "alive natural moves eyes eats head ~fast outdoors ~dangerous sound",
    "mammal": "animal fur legs tail runs soft warm milk",
    "bird": "animal wings feathers flies eggs legs tail small",
    "sea": "animal swims water !sound wet",
    "insect": "animal small legs light wings flies eggs !sound !warm",
    "plant": "alive natural garden outdoors green leaves wet",
    "fruit": "natural eat sweet kitchen light fruit seeds ~garden hand wet soft healthy !outdoors",
    "vegetable": "natural eat kitchen vegetable light ~garden hand healthy hard",
    "meal": "eat kitchen made food light soft hand",
    "vehicle": "made metal vehicle moves big heavy ride expensive outdoors engine sound ~dangerous fast hard",
    "furniture": "made house wood heavy furniture legs hard ~metal",
    "tool": "made tool hand metal hard house ~dangerous",
    "device": "made electric plastic metal house expensive device hard breaks buttons",
    "clothes": "made wear cloth soft light house clothes ~colourful",
    "toy": "made toy play children light house colourful ~plastic",
    "music": "made music sound wood play hand expensive strings hard",
    "nature": "natural outdoors big",
    "kitchenware": "made kitchen house hand hard kitchenware",
}

# name: kinds and traits; then other names for it
THINGS = {
    "CAT": "mammal pet house climbs ~black ~white ~brown hunts claws | kitty, kitten, pussycat",
    "DOG": "mammal pet house ~black ~white brown hunts ~swims loud ~big | puppy, hound, doggy",
    "HORSE": "mammal farm big heavy ride brown fast ~white ~black expensive | pony, stallion, mare",
    "COW": "mammal farm big heavy ~black ~white brown eat horns !fast !runs | bull, cattle",
    "PIG": "mammal farm pink eat heavy !fur ~big !fast | hog, piglet, swine",
    "SHEEP": "mammal farm white ~eat horns !fast ~big | lamb, ram",
    "LION": "mammal wild dangerous big heavy hunts fast claws yellow ~brown africa loud zoo | lioness",
    "ELEPHANT": "mammal wild grey big heavy africa zoo ~ride loud !fur !fast !soft ~runs | elephants",
    "MOUSE": "mammal small light grey house ~pet ~white climbs ~runs !dangerous | mice, rat",
    "RABBIT": "mammal small pet grey ~white brown jumps fast garden !sound !dangerous | bunny, hare",
    "BEAR": "mammal wild dangerous big heavy brown forest climbs hunts ~black ~white claws zoo !tail | grizzly, polar bear",
    "MONKEY": "mammal wild climbs zoo brown africa jumps loud ~small | ape, chimpanzee",
    "WHALE": "sea mammal big heavy !fur !legs !runs !soft grey ~blue ~black tail !outdoors ~sound | orca",
    "CHICKEN": "bird farm eat ~white ~brown !flies loud | hen, rooster",
    "OWL": "bird wild forest hunts night brown ~white | barn owl",
    "PARROT": "bird pet colourful green ~red ~blue talks loud zoo ~yellow | budgie, cockatoo",
    "PENGUIN": "bird black white swims !flies cold water zoo ~big !small | penguins",
    "FISH": "sea eat ~pet small ~colourful tail eggs !head ~wild head | goldfish, salmon, trout",
    "SHARK": "sea wild dangerous big heavy hunts grey fast tail | great white",
    "FROG": "sea green small jumps legs eggs garden sound !tail | toad",
    "SNAKE": "animal wild dangerous long eggs ~green ~brown hunts !sound ~pet zoo ~climbs ~swims | python, cobra, viper",
    "SPIDER": "insect !wings !flies black ~brown ~house climbs hunts ~garden | tarantula",
    "BEE": "insect yellow black garden sound dangerous sweet | bumblebee, wasp",
    "BUTTERFLY": "insect colourful garden !dangerous soft | moth",
    "TREE": "plant big heavy wood forest brown hard !wet long | oak, pine, birch",
    "FLOWER": "plant small light colourful soft smells ~red ~yellow ~white ~house | rose, tulip, daisy",
    "GRASS": "plant small light soft farm long ~yellow | lawn, hay",
    "APPLE": "fruit red green round ~yellow hard !soft | apples",
    "BANANA": "fruit yellow long !seeds ~green !wet | bananas",
    "ORANGE": "fruit round orange | tangerine, mandarin",
    "STRAWBERRY": "fruit red small garden | strawberries, raspberry",
    "LEMON": "fruit yellow round !sweet sour | lime",
    "CARROT": "vegetable orange long garden ~sweet | carrots",
    "POTATO": "vegetable brown round ~yellow heavy !light | spud, potatoes",
    "TOMATO": "vegetable ~fruit red round soft !hard seeds wet | tomatoes",
    "BREAD": "meal brown ~white ~hard long | loaf, toast",
    "CHEESE": "meal yellow ~white smells ~hard milk | cheddar",
    "CAKE": "meal sweet round ~brown ~white expensive ~colourful | cupcake, pie",
    "CHOCOLATE": "meal sweet brown ~black ~white hard small !soft | candy bar",
    "ICE CREAM": "meal sweet cold ~white ~colourful wet milk | icecream, sundae",
    "EGG": "natural eat kitchen food white ~brown small light round breaks farm hand ~hard | eggs",
    "MILK": "natural drink kitchen white wet farm food healthy ~sweet cold milk | cream",
    "COFFEE": "drink kitchen brown black hot wet made smells food !eat | espresso",
    "WATER": "natural drink wet ~cold ~hot kitchen healthy water food ~big | rain",
    "CAR": "vehicle wheels ~red ~blue ~black glass ~colourful | automobile, taxi",
    "BICYCLE": "vehicle wheels !engine !big !heavy !sound ~children ~expensive ~colourful ~toy | bike",
    "TRAIN": "vehicle wheels long loud | locomotive, railway",
    "AIRPLANE": "vehicle wings flies wheels white loud !outdoors sky glass ~outdoors | plane, jet, aeroplane",
    "BOAT": "vehicle swims water wood ~metal ~engine !fast ~fast white wet | ship, canoe",
    "CHAIR": "furniture ~plastic sit brown ~soft kitchen ~big | stool, armchair",
    "TABLE": "furniture kitchen brown big | desk",
    "BED": "furniture soft big cloth white !hard ~legs sleep warm | mattress",
    "LAMP": "device light glass ~hot !buttons shines ~buttons !expensive furniture | light bulb, lantern",
    "CLOCK": "made house round ~electric device numbers ~metal ~plastic sound breaks ~wood glass ~expensive | alarm clock",
    "MIRROR": "made house glass breaks hard furniture shines ~big ~round | looking glass",
    "DOOR": "made house wood hard heavy big brown moves ~metal ~glass handle | gate",
    "WINDOW": "made house glass breaks hard big furniture | pane",
    "BOOK": "made paper read house school hand ~heavy colourful letters ~expensive children | novel",
    "PENCIL": "made wood small long light hand school write ~yellow tool children ~colourful letters hard | pen, crayon",
    "TELEPHONE": "device hand small sound talks black shines numbers letters school | phone, cellphone",
    "TELEVISION": "device big black sound shines heavy colourful screen glass | tv, telly",
    "COMPUTER": "device screen letters school work black numbers ~sound ~big ~heavy shines | laptop, pc",
    "CAMERA": "device hand small black glass ~heavy | webcam",
    "KNIFE": "tool kitchenware sharp cuts dangerous long ~small handle shines light | blade, dagger",
    "SPOON": "kitchenware metal small light ~wood long handle shines ~plastic | teaspoon",
    "CUP": "kitchenware small light breaks white round handle ~glass ~plastic ~colourful | mug",
    "HAMMER": "tool heavy wood handle work ~loud | mallet",
    "SCISSORS": "tool sharp cuts small school handle light children ~dangerous | shears",
    "UMBRELLA": "made cloth long handle outdoors hand rain black ~colourful light wet ~metal | parasol",
    "SHOE": "clothes feet hard ~soft ~black ~brown outdoors !cloth ~cloth | boot, sneaker",
    "HAT": "clothes round ~black outdoors warm | cap",
    "SHIRT": "clothes white ~blue buttons ~buttons | t shirt, blouse",
    "SOCK": "clothes feet small warm ~white ~black | socks, stocking",
    "BALL": "toy round outdoors sport jumps ~white !house ~soft hand | football, basketball",
    "DOLL": "toy eyes head legs cloth small wear ~soft | teddy, barbie",
    "KITE": "toy flies outdoors paper cloth sky !house long ~hand | kites",
    "GUITAR": "music brown ~electric long ~loud | banjo, ukulele",
    "PIANO": "music big heavy black ~white furniture house !hand loud !strings ~strings | keyboard",
    "DRUM": "music round loud !strings ~metal !expensive | drums, bongo",
    "SUN": "nature hot shines yellow round dangerous sky warm heavy | sunshine",
    "MOON": "nature shines white round sky night cold heavy ~yellow | crescent",
    "CLOUD": "nature white grey sky wet soft moves light | clouds",
    "MOUNTAIN": "nature heavy hard stone grey cold dangerous ~white ~green | hill, volcano",
    "SNOW": "nature white cold wet soft light !big | snowflake, snowman",
    "RIVER": "nature water wet long moves blue cold sound swims | stream, creek",
    "FIRE": "nature hot dangerous shines red orange sound burns moves ~yellow light ~big !big | flame",
    "STONE": "nature hard grey stone heavy ~small !big hand ~round | rock, pebble",
}

# trait: form, then the ways to say it. The first is what the program says when it asks.
TRAITS = {
    "alive": "is: alive, living, a living thing",
    "animal": "noun: animal, creature, beast",
    "mammal": "noun: mammal",
    "bird": "noun: bird",
    "insect": "noun: insect, bug",
    "plant": "noun: plant",
    "fruit": "noun: fruit",
    "vegetable": "noun: vegetable",
    "food": "noun: food, snack, dish",
    "vehicle": "noun: vehicle",
    "furniture": "noun: piece of furniture, furniture",
    "tool": "noun: tool, instrument for work",
    "device": "noun: device, machine, gadget",
    "clothes": "noun: piece of clothing, garment, clothes",
    "toy": "noun: toy, plaything",
    "kitchenware": "noun: kitchen utensil, piece of cutlery",
    "pet": "noun: pet, house pet",
    "natural": "is: natural, part of nature, from nature",
    "made": "is: man made, made by people, artificial, manufactured",
    "big": "is: bigger than a person, big, large, huge, larger than me",
    "small": "is: small, tiny, little, smaller than a shoebox",
    "heavy": "is: heavy, hard to lift, weighty",
    "light": "is: light, easy to lift, light to carry, lightweight",
    "long": "is: long, longer than wide, elongated",
    "round": "is: round, circular, shaped like a ball",
    "soft": "is: soft, nice to touch, squishy",
    "hard": "is: hard, solid, stiff",
    "sharp": "is: sharp, pointed",
    "hot": "is: hot, very hot",
    "cold": "is: cold, icy, freezing",
    "warm": "is: warm, cosy",
    "wet": "is: wet, moist, juicy",
    "red": "is: red, red in colour",
    "green": "is: green, green in colour",
    "yellow": "is: yellow, yellow in colour",
    "orange": "is: orange in colour, coloured orange",
    "white": "is: white, white in colour",
    "black": "is: black, black in colour",
    "brown": "is: brown, brown in colour",
    "blue": "is: blue, blue in colour",
    "grey": "is: grey, gray, grey in colour",
    "pink": "is: pink, pink in colour",
    "colourful": "is: colourful, colorful, many coloured, multicolored",
    "dangerous": "is: dangerous, harmful, risky",
    "wild": "is: wild, untamed",
    "expensive": "is: expensive, costly, worth a lot of money",
    "fast": "is: fast, quick, speedy",
    "loud": "is: loud, noisy",
    "healthy": "is: healthy, good for you",
    "sweet": "is: sweet, sugary",
    "sour": "is: sour, acid",
    "moves": "can: move, move by itself, go places",
    "flies": "can: fly, be in the air, go through the air",
    "swims": "can: swim, float, go on water",
    "runs": "can: run, walk",
    "climbs": "can: climb, climb trees, go up a wall",
    "jumps": "can: jump, bounce, hop",
    "hunts": "can: hunt, catch animals, kill animals",
    "talks": "can: talk, speak, say words",
    "sound": "can: make a sound, make noise, be heard",
    "shines": "can: shine, give light, glow, reflect light",
    "burns": "can: burn you, burn things down",
    "breaks": "can: break easily, shatter, break if dropped",
    "eats": "can: eat, eat food, feed itself",
    "cuts": "can: cut, cut things, slice",
    "eggs": "can: lay eggs, come from an egg",
    "milk": "can: give milk, come from milk",
    "fur": "have: fur, hair on its body, a coat of hair",
    "feathers": "have: feathers, plumage",
    "wings": "have: wings",
    "legs": "have: legs, feet to stand on",
    "tail": "have: a tail",
    "eyes": "have: eyes, a face",
    "head": "have: a head, a brain",
    "claws": "have: claws",
    "horns": "have: horns",
    "leaves": "have: leaves",
    "seeds": "have: seeds, pips",
    "wheels": "have: wheels, tyres",
    "engine": "have: an engine, a motor",
    "handle": "have: a handle, a grip",
    "buttons": "have: buttons, keys to press",
    "screen": "have: a screen, a display",
    "strings": "have: strings",
    "letters": "have: letters, words on it, text",
    "numbers": "have: numbers, digits on it",
    "metal": "made: metal, steel, iron",
    "wood": "made: wood, timber",
    "plastic": "made: plastic",
    "glass": "made: glass",
    "paper": "made: paper",
    "cloth": "made: cloth, fabric, textile",
    "stone": "made: stone, rock",
    "house": "place: a house, a home, my living room",
    "kitchen": "place: a kitchen, the kitchen",
    "garden": "place: a garden, a back yard",
    "outdoors": "place: the open, the street or the fields, nature outside",
    "farm": "place: a farm, the barn",
    "forest": "place: a forest, the woods",
    "water": "place: the sea, the water, a lake",
    "sky": "place: the sky, the heavens",
    "school": "place: a school, an office, a classroom",
    "africa": "place: africa, the jungle, hot countries",
    "zoo": "place: a zoo",
    "eat": "people: eat, eat for dinner, have for lunch",
    "drink": "people: drink, sip",
    "wear": "people: wear, put on",
    "ride": "people: ride, travel in, travel with",
    "play": "people: play with, play on",
    "read": "people: read",
    "write": "people: write with, draw with",
    "hand": "people: hold in one hand, carry in one hand, use with the hands",
    "electric": "does: need electricity, use power, have to be plugged in, run on a battery",
    "smells": "does: smell, have a smell, have a scent",
    "music": "does: make music, play tunes",
    "children": "does: belong to children, interest kids, please a child",
    "feet": "does: go on your feet, belong on feet",
    "night": "does: come out at night, belong to the night",
    "sport": "does: belong to sport, have to do with sports",
    "work": "does: help with work, belong to a job",
    "rain": "does: help against rain, keep you dry",
    "sit": "does: let you sit, serve for sitting",
    "sleep": "does: let you sleep, serve for sleeping",
}

# {x}: the words of a trait. Those after the bar are kept for the test on ways of asking that were never seen.
FRAMES = {
    "is": "is it {x}, are you {x}, is it usually {x}, is this {x}, is the thing {x}, would you say it is {x}, it is {x}, is it something {x}, "
    "do you think it is {x}, {x}, could it be {x}, so it is {x} then, is it ever {x}, is your thing {x}, i wonder if it is {x} | "
    "is that {x}, would it be {x}, is the object {x}",
    "noun": "is it a {x}, is it a kind of {x}, are you a {x}, is the thing a {x}, is it a type of {x}, is it some {x}, would you call it a {x}, "
    "a {x}, is it {x}, does it count as a {x}, so it is a {x}, is it any sort of {x}, is your thing a {x} | "
    "is that a {x}, could it be a {x}, is this a sort of {x}",
    "can": "can it {x}, does it {x}, is it able to {x}, can you {x}, could it {x}, will it {x}, does the thing {x}, can this {x}, do you {x}, "
    "it can {x}, is it something that can {x}, would it {x}, does it ever {x}, can your thing {x} | "
    "can that {x}, might it {x}, is the thing able to {x}",
    "have": "does it have {x}, has it got {x}, do you have {x}, does the thing have {x}, it has {x}, are there {x}, does this have {x}, with {x}, "
    "is it something with {x}, would it have {x}, can you see {x} on it, does your thing have {x} | "
    "does that have {x}, has the thing got {x}, did it come with {x}",
    "made": "is it made of {x}, is it made from {x}, are you made of {x}, does it contain {x}, is it {x}, is the thing made of {x}, of {x}, "
    "is there {x} in it, is some of it {x}, does it consist of {x}, is your thing made of {x}, is any part of it {x} | "
    "is that made out of {x}, would it be made of {x}, is it built from {x}",
    "place": "is it found in {x}, would i find it in {x}, do you see it in {x}, is it in {x}, does it belong in {x}, can i find it in {x}, "
    "are you found in {x}, is the thing found in {x}, do people keep it in {x}, in {x}, does it live in {x}, could it be in {x}, "
    "would i see it in {x} | is that found in {x}, could i see one in {x}, might it be in {x}",
    "people": "can you {x} it, do people {x} it, can i {x} it, is it something you {x}, would i {x} it, do you {x} it, could i {x} it, {x} it, "
    "is it for people to {x}, does one {x} it, would you {x} it, do we {x} it, do humans {x} it | "
    "is that something people {x}, can anyone {x} it, may i {x} it",
    "does": "does it {x}, can it {x}, does the thing {x}, would it {x}, do you {x}, does this {x}, is it something that would {x}, it would {x}, "
    "could it {x}, does your thing {x}, will it {x} | does that {x}, might it {x}, did it {x}",
    "guess": "is it a {x}, are you a {x}, i think it is a {x}, is it the {x}, a {x}, {x}, my guess is {x}, it must be a {x}, is it {x}, "
    "is your thing a {x}, i guess it is a {x}, it is a {x}, then it is a {x}, i say {x}, is the thing a {x}, are you thinking of a {x} | "
    "could it be a {x}, is that a {x}, the answer is {x}",
}

NO_QUESTIONS = (
    "hello, hi there, hey, good morning, how are you, what is it, what are you thinking of, tell me, give me a hint, who are you, i like pizza, "
    "what is your name, thank you, thanks, this is fun, i do not know, no idea, hmm, let me think, why, when, where is it, what colour is it, "
    "how big is it, how heavy is it, what is it made of, who made it, nice weather today, my name is bob, i am tired, you are funny, ok, okay, "
    "yes, no, maybe, wait, stop it, come on, i give in, this is hard, that was easy, cool, great, wow, asdf, qwerty, lol, ha ha, please help me, "
    "help me out, tell me more, what, what now, which one, how many legs, where do you live, what time is it, sing a song, i love you, go away, "
    "never mind, sorry, good question, one two three, blah blah, are we there yet, who is there, what can you do, why not, hurry up, next, "
    "i want to win, how do i win, let us start, start, begin, what do i do, tell me the answer, say it, where can i find it, what is it for, "
    "how does it look, how old is it, when was it made, who uses it, what does it eat, what sound does it make, i have a cold, my head hurts"
)

KEYBOARD = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wqertyuiopsadfghjkxzcvbn"))


class Thing(NamedTuple):
    name: str
    others: tuple[str, ...]
    traits: dict[str, str]  # trait: YES or MAYBE


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _traits(text: str, kind: str = "") -> dict[str, str]:
    """The traits of a thing or a kind: those of its kinds first, then what it says itself."""
    found: dict[str, str] = {}
    for word in text.split():
        if word in KINDS and word != kind:
            found.update({**_traits(KINDS[word], word), word: "YES"})
    for word in text.split():
        if word[0] == "!":
            found.pop(word[1:], None)
        elif word not in KINDS or word == kind:
            found[word.lstrip("~")] = "MAYBE" if word[0] == "~" else "YES"
    return found


def _thing(name: str, text: str) -> Thing:
    traits, _, others = text.partition("|")
    return Thing(name, tuple(_words(others)), {trait: answer for trait, answer in _traits(traits).items() if trait in TRAITS})


ALL_THINGS = [_thing(name, text) for name, text in sorted(THINGS.items())]


def form(trait: str) -> tuple[str, list[str]]:
    kind, _, words = TRAITS[trait].partition(":")
    return kind, _words(words)


def frames(kind: str, unseen: bool = False) -> list[str]:
    return _words(FRAMES[kind].split("|")[int(unseen)])


def article(text: str) -> str:
    """ "is it a apple" -> "is it an apple" """
    words = text.split()
    return " ".join("an" if word == "a" and after[:1] in "aeiou" and after else word for word, after in zip(words, words[1:] + [""]))


def typo(line: str, chance: random.Random) -> str:
    """The line with one letter lost, doubled, swapped with the next or hit beside its key."""
    place = chance.randrange(len(line))
    way, letter = chance.randrange(4), line[place]
    if letter == " ":
        return line
    if way == 0:
        return line[:place] + line[place + 1 :] if len(line) > 2 else line
    if way == 1:
        return line[:place] + letter + line[place:]
    if way == 2:
        return line[:place] + line[place + 1 : place + 2] + letter + line[place + 2 :]
    return line[:place] + KEYBOARD.get(letter, letter) + line[place + 1 :]


def question(chance: random.Random, unseen: bool = False, typos: float = 0.1) -> tuple[str, str, Thing]:
    """A line that someone might type, and the answer, for one of the things."""
    thing = chance.choice(ALL_THINGS)
    luck = chance.random()
    if luck < 0.72:
        # Half of the questions are about what is true of the thing: else nearly all answers were NO.
        trait = chance.choice(sorted(thing.traits)) if chance.random() < 0.5 else chance.choice(list(TRAITS))
        kind, words = form(trait)
        line = chance.choice(frames(kind, unseen)).replace("{x}", chance.choice(words))
        answer = thing.traits.get(trait, "NO")
    elif luck < 0.95:
        guessed = thing if chance.random() < 0.45 else chance.choice(ALL_THINGS)
        name = chance.choice((guessed.name.lower(), guessed.name.lower(), *guessed.others))
        line = chance.choice(frames("guess", unseen)).replace("{x}", name)
        answer = "WIN" if guessed is thing else "NO"
    else:
        line, answer = chance.choice(_words(NO_QUESTIONS)), "?"
    line = article(line)
    if chance.random() < typos:
        line = typo(line, chance)
    return line, answer, thing


def lines(seed: int, count: int, unseen: bool = False, typos: float = 0.1) -> list[str]:
    """Training lines `secret|line|ANSWER`."""
    chance = random.Random(seed)
    return [f"{thing.name}|{line}|{answer}" for line, answer, thing in (question(chance, unseen, typos) for _ in range(count))]


# ---- the other way round: the program asks


def spoken(trait: str) -> str:
    """What the program asks."""
    kind, words = form(trait)
    return article(frames(kind)[0].replace("{x}", words[0])).upper() + "?"


@functools.cache
def asked(limit: int) -> tuple[str, ...]:
    """The `limit` traits that tell the things apart best, in the order of TRAITS."""
    pairs = [(a, b) for place, a in enumerate(ALL_THINGS) for b in ALL_THINGS[:place]]
    apart = {
        trait: [number for number, (a, b) in enumerate(pairs) if {a.traits.get(trait, "NO"), b.traits.get(trait, "NO")} == {"YES", "NO"}]
        for trait in TRAITS
    }
    # A pair that was told apart matters half as much for the next choice: a wrong answer or two must not lose the thing.
    weights = [1.0] * len(pairs)
    chosen: set[str] = set()
    while len(chosen) < limit:
        best = max((trait for trait in TRAITS if trait not in chosen), key=lambda trait: sum(weights[number] for number in apart[trait]))
        chosen.add(best)
        for number in apart[best]:
            weights[number] /= 2
    return tuple(trait for trait in TRAITS if trait in chosen)


def knowledge(traits: Sequence[str]) -> list[list[int]]:
    """[trait][thing]: 0 NO, 1 YES, 2 MAYBE."""
    return [[("NO", "YES", "MAYBE").index(thing.traits.get(trait, "NO")) for thing in ALL_THINGS] for trait in traits]
