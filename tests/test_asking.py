"""Wishes: the header's format, what training makes of it, and that each program tells the same story for the same wish."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from fable6c import generate
from fable6c.corpus.synth import text as synth_text
from fable6c.data.prepare import prepare
from fable6c.data.windows import SETTLING, Headers, batch
from fable6c.errors import UserError
from fable6c.model import asking
from fable6c.model.file import Model, read_model, write_model
from fable6c.model.reference import Reference
from fable6c.model.reference import generate as tell
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.run import join, leave_headers_out
from programs import MODEL

ROOT = pathlib.Path(__file__).parent.parent
NATIVE = ROOT / "build" / "fable6c"
END, NEWLINE = 299, 10
needs_native = pytest.mark.skipif(not NATIVE.exists(), reason="the native program is not built: make build/fable6c")


# ---- the format


def test_a_header_is_read_as_it_was_written():
    fields = {"Mood": "sad", "Words": "dragon, spoon", "Begins": "Once: upon."}
    header = asking.write_header(fields)
    assert header == "\x01Mood: sad\nWords: dragon dragon, spoon spoon\nBegins: Once: upon.\n\x02"
    assert asking.split_header(header + '"Hi," he said.') == (fields, '"Hi," he said.')
    assert asking.write_header({}) == ""
    for text in ("Once", "a" + header, "\x01Mood: sad\nOnce", "\x02", ""):
        assert asking.split_header(text) == ({}, text)


@pytest.mark.parametrize(
    "tokens, found",
    [
        ([1, 70, 2, 50], [[0, 2]]),
        ([END, 1, 70, 71, 2, 50, END, 1, 2, 50], [[1, 4], [7, 8]]),
        ([50, 1, 70, 2, 50], []),  # within a text
        ([50, NEWLINE, 1, 70, 2], [[2, 4]]),  # an end mark that training has made a line end
        ([50, END, 1, 70, 71], [[2, 4]]),  # unfinished
        ([50, 2, 51], []),
        ([], []),
    ],
)
def test_headers_are_found_in_tokens(tokens, found):
    assert asking.find_headers(np.array(tokens, np.int32), (END, NEWLINE)).tolist() == found


@pytest.mark.parametrize("word", ["ox", "dragon", "ice-cream", "o'clock", "A" * 20])
def test_a_word_that_one_can_ask_for(word):
    assert asking.is_word(word)


@pytest.mark.parametrize("word", ["", "x", "gr\u00f6\u00dfe", "two words", "A" * 21, "a1", "-ox", "ox-", "ox\n", "\x01\x02", "3"])
def test_what_is_no_word(word):
    assert not asking.is_word(word)


FORMS = [
    ("dragon", "Dragons,", True), ("smile", "smiling", True), ("carry", "carried", True), ("hop", "hopped", True), ("dress", "dress", True),
    ("spoons", "spoon.", True), ("Mia", "Mia's", True), ("brave", "bravely", True), ("cat", "category", False), ("art", "start", False),
    ("her", "here", False), ("", "", False), ("big", "bigger", True), ("run", "ran", False), ("toy", "\u201ctoys\u201d", True),
]  # fmt: skip


@pytest.mark.parametrize("asked, told, same", FORMS)
def test_forms_of_a_word(asked, told, same):
    assert asking.is_form(asked, told) == same


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not here")
def test_the_page_has_the_same_rule_of_forms():
    script = "const fs = require('fs'); const Wish = new Function(fs.readFileSync(process.argv[1], 'utf8') + '; return Wish;')();"
    script += "console.log(JSON.stringify(JSON.parse(process.argv[2]).map(([a, b]) => Wish.isForm(a, b))))"
    pairs = json.dumps([(asked, told) for asked, told, _ in FORMS])
    done = subprocess.run(["node", "-e", script, str(ROOT / "asengine" / "web" / "wish.js"), pairs], stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout) == [same for _, _, same in FORMS]


def test_missing_words():
    assert asking.words_missing(["dragon", "spoon", "brave"], "The dragons were\nbravely eating.") == ["spoon"]


# ---- training


def test_headers_are_no_targets():
    tokens = np.array([[60, END, 1, 70, 2, 50, 51, 52], [1, 70, 71, 72, 2, 50, 51, 52], [60, 1, 61, 2, 62, 63, END, 1]])
    inputs, targets = np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(tokens[:, 1:])
    leave_headers_out(inputs, targets, (END, NEWLINE))
    assert targets.tolist() == [[END, -1, -1, -1, 50, 51, 52], [-1, -1, -1, -1, 50, 51, 52], [1, 61, 2, 62, 63, END, -1]]


def test_joining_documents_keeps_what_is_left_out():
    inputs, targets = np.array([[60, END, 61, 62]]), np.array([[END, 61, -1, 63]])
    join(inputs, targets, END, NEWLINE, 1.0, [1])
    assert inputs.tolist() == [[60, NEWLINE, 61, 62]] and targets.tolist() == [[NEWLINE, 61, -1, 63]]


def test_a_window_within_a_story_has_its_header_in_front():
    first = [1, 70, 71, 2, *range(100, 150), END]
    tokens = np.array([*first, *range(150, 190), END, *first], np.uint16)
    headers = Headers(tokens, END)
    cases = [
        (0, tokens[:33], -1),  # it begins with the header, before which there is no end mark
        (2, tokens[:33], -1),  # within the header
        (10, [1, 70, 71, 2, *tokens[10:39]], 3),
        (54, tokens[54:87], -1),  # at the end mark
        (60, tokens[60:93], -1),  # in a story without a header
        (96, tokens[95:128], -1),  # at the header: with the end mark before it
        (110, [END, 1, 70, 71, 2, *tokens[110:138]], 4),
    ]  # fmt: skip
    for start, expected, settling in cases:
        inputs, targets = batch(tokens, np.array([start]), 32, headers)
        wanted = np.array(expected[1:], np.int64)
        if settling >= 0:
            wanted[settling : settling + SETTLING] = -1
        assert inputs[0].tolist() == list(expected[:32]) and targets[0].tolist() == wanted.tolist(), start
    long = Headers(np.array([1, *[70] * 20, 2, *range(100, 200), END], np.uint16), END)
    assert long.places(40, 32)[0].tolist() == list(range(40, 73)), "half a window and more is not put in front"


def test_preparing_notes_the_fields_and_no_token_joins_a_mark(tmp_path):
    documents = [asking.write_header({"Mood": "sad"}) + '"' + story for story in (synth_text(5, 20_000).split("\n<|endoftext|>\n"))]
    data = prepare(lambda: [f"{document}{number}" for number, document in enumerate(documents)], str(tmp_path), 300, "a", 1, False)
    assert data.description["asks"] == "Mood" and data.headers is not None
    assert not any(len(token) > 1 and (b"\x01" in token or b"\x02" in token) for token in data.tokenizer.token_bytes)
    plain = prepare(lambda: [f"{document[12:]}{number}" for number, document in enumerate(documents)], str(tmp_path), 300, "b", 1, False)
    assert plain.description["asks"] == "" and plain.headers is None


def test_a_story_is_held_out_with_all_of_its_headers(tmp_path):
    stories = [f"{story} {number}." for number, story in enumerate(synth_text(5, 60_000).split("\n<|endoftext|>\n"))]
    headers = ["", asking.write_header({"Mood": "sad"}), asking.write_header({"Name": "Mia", "Talk": "no"})]
    data = prepare(lambda: [header + story for header in headers for story in stories], str(tmp_path), 300, "a", 1, False)
    valid, train = (data.tokenizer.decode(np.asarray(tokens)).decode() for tokens in (data.valid, data.train))
    held_out = [story for story in stories if story in valid]
    assert held_out and all(valid.count(story) == 3 and story not in train for story in held_out)


# ---- the programs


@pytest.fixture(scope="module")
def asking_model(tmp_path_factory):
    """The golden model, with a card that says that it takes all wishes but --talk."""
    model = read_model(MODEL)
    path = tmp_path_factory.mktemp("asking") / "asks.f6c"
    write_model(path, Model(model.dimensions, {**model.card, asking.CARD_KEY: "Words Name Mood Length"}, model.merges, model.tensors))
    return str(path)


def native(*arguments, **more):
    return subprocess.run([str(NATIVE), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def python(*arguments):
    return subprocess.run([sys.executable, "-m", "fable6c.generate", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


WISHES = [
    (["--words", "Dragon, spoon,brave"], "\x01Words: dragon dragon, spoon spoon, brave brave\n\x02"),
    (
        ["--name", "mia", "--words", "ox", "--mood", "sad", "--length", "short"],
        "\x01Words: ox ox\nName: Mia\nMood: sad\nLength: short\n\x02",
    ),
    (["--words", "gr\u00f6\u00dfe,x", "--name", "Anna Lena"], ""),
    (["--words", "one two,,three, four,five"], "\x01Words: one one, two two, three three\n\x02"),
]


@needs_native
@pytest.mark.parametrize("wish, header", WISHES)
@pytest.mark.parametrize("prompt", ["", '"Hello," she'])
def test_all_programs_tell_the_wished_story(asking_model, wish, header, prompt):
    """140 tokens, more than the golden model's context: the header's places stay in each of them."""
    model = read_model(asking_model)
    ids = Tokenizer(model.merges).encode(header + prompt)
    expected = prompt.encode() + b"".join(text for _, text in tell(Reference(model), ids, 140, Sampler.by_default(1)))
    options = [asking_model, *wish, "-p", prompt, "-n", "140"]
    told = [native(*options), python(*options), python(*options, "--runtime", "reference")]
    for done in told:
        assert done.returncode == 0 and done.stdout.decode() == expected.decode("utf-8", "replace") + "\n"
    notes = [[line.removeprefix("fable6c: ") for line in done.stderr.decode().splitlines() if "told by" not in line] for done in told]
    assert notes[0] == notes[1] == notes[2]
    assert all(line.startswith("ignored: ") for line in notes[0]) and bool(notes[0]) == (wish[1] in ("gr\u00f6\u00dfe,x", WISHES[3][0][1]))


@needs_native
def test_a_model_that_takes_no_wishes_says_so(asking_model):
    for model, option, value in ((MODEL, "--words", "dragon"), (MODEL, "--mood", "sad"), (asking_model, "--talk", "yes")):
        line = f"{model}: this model takes no {option} (it was trained on text without headers); begin the story with -p instead\n"
        done = native(model, option, value)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"fable6c: {line}")
        done = python(model, option, value)
        assert (done.returncode, done.stdout) == (1, b"") and done.stderr.decode().endswith(line)


@needs_native
@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--mood", "angry", "happy or sad"),
        ("--talk", "", "yes or no"),
        ("--length", "Short", "short, middle or long"),
        ("--words", None, ""),
    ],
)
def test_a_wrong_value_is_one_line(asking_model, option, value, message):
    done = native(asking_model, option, *([] if value is None else [value]))
    line = f"fable6c: {option} {value}: give {message}\n" if message else f"fable6c: {option} needs a value after it; see --help\n"
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", line)
    done = python(asking_model, option, *([] if value is None else [value]))
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.count(b"\n") == 1


@needs_native
@pytest.mark.parametrize(
    "line, understood",
    [
        ("a story about a dragon and a spoon", "Words: dragon, spoon"),
        ("Tell me a sad, short STORY with Mia, an ox", "Words: ox; Name: Mia; Mood: sad; Length: short"),
        ("please tell me a story of a girl called mia with a happy ending", "Words: girl; Name: Mia; Mood: happy"),
        ("a story about a cat, a dog, a cow and a pig", "Words: cat, dog, cow"),
        ("a happy story about the", "Mood: happy"),
        ("a story about ", None),
        ("This is a story about a dragon", None),
        ("Once upon a time there was a story", None),
        ("a story", None),
        ("a story about " + "x" * 300, None),
    ],
)
def test_a_line_of_a_chat_can_be_a_wish(asking_model, line, understood):
    done = native(asking_model, "-n", "5", input=f"{line}\n".encode())
    assert done.returncode == 0
    shown = f"> ({understood})\n".encode() if understood else b"> "
    assert done.stdout.startswith(shown) and (b"(" in done.stdout.split(b"\n")[0]) == bool(understood)


@needs_native
def test_a_chat_tells_the_story_of_the_options(asking_model):
    chat = native(asking_model, "-n", "20", input=b"a story about a dragon and a spoon\nAnd then?\n").stdout.decode()
    story = native(asking_model, "-n", "40", "--words", "dragon,spoon").stdout.decode()
    first, second = chat.split("\n> ", 1)[0].split(")\n", 1)[1], chat.rsplit("\n> ", 2)[1]
    assert "".join((first + second).split()) == "".join(story.split())


@needs_native
def test_a_chat_with_a_model_that_takes_no_wishes_says_so():
    done = native(MODEL, "-n", "5", input=b"a story about a dragon\n")
    assert done.stdout.startswith(b"> (This model takes no wishes; your line begins the story.)\n")


def test_the_reference_refuses_what_the_card_does_not_name(asking_model):
    with pytest.raises(UserError, match="this model takes no --talk"):
        generate.main([asking_model, "--talk", "yes", "--runtime", "reference"])


@needs_native
def test_forty_words_and_a_long_line_do_no_harm(asking_model):
    words = ",".join(f"word{chr(97 + i % 26)}" for i in range(40))
    done = native(asking_model, "--words", words, "-n", "3")
    assert done.returncode == 0 and done.stderr.count(b"at most 3 words") == 37
    assert native(asking_model, "-n", "3", input=b"a story about " + b"dragon " * 9000 + b"\n").returncode == 0
