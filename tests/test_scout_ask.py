"""Questions to a scout: the quote and its place, the same answers from the program and from Python, no trace, and refusals in one line."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from fable6c import native
from fable6c.corpus.instruct import Survey, draw_for
from fable6c.corpus.questions import Rules, with_questions
from fable6c.data.bpe import train_tokenizer
from fable6c.errors import UserError
from fable6c.mixing.asking import AT_ONCE, answers
from fable6c.mixing.reading import train
from fable6c.mixing.scout import Scout
from fable6c.scout import main
from scout_stories import stories

PROGRAM = str(pathlib.Path(__file__).parent.parent / "build" / "scout")
STORY = "Once there was a child named Lily.\n\nIt rained. Lily hid a green lamp in the attic. She sat down.\nThe end."
QUESTIONS = ["Who hid a green lamp in the attic?", "What did Lily hide in the attic?", "Where did Lily hide a green lamp?"]
QUOTE = "Lily hid a green lamp in the attic."
KEYS = ["question", "answer", "quote", "file", "document", "line", "gain", "bits"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files of stories, and a scout that read them with questions behind their lines, but none about the lamp."""
    folder = tmp_path_factory.mktemp("ask")
    documents = stories(300)
    rules = Rules(Survey(documents))
    (folder / "a.txt").write_text("\n<|endoftext|>\n".join(documents[:200]))
    (folder / "b.txt").write_text("\n<|endoftext|>\n".join([*documents[200:250], STORY, *documents[250:]]))
    read = [with_questions(document, rules, 1.0, draw_for(document, 1))[0] for document in [*documents[:250], *documents[250:]]]
    read.insert(250, STORY)
    tokenizer = train_tokenizer(read, 340, progress=False)
    scout, _ = train(read, "fast", 160 << 20, 1, tokenizer, progress=False)
    scout.save(str(folder / "s.scout"))
    return folder


@pytest.fixture(scope="module")
def scout(folder):
    return Scout.load(str(folder / "s.scout"), 1)


def texts(folder):
    return [str(folder / "a.txt"), str(folder / "b.txt")]


def test_it_quotes_the_sentence_and_says_where_it_stands(folder, scout):
    found = list(answers(scout, QUESTIONS, texts(folder), progress=False))
    for question, answer in zip(QUESTIONS, found):
        assert list(answer) == KEYS and answer["question"] == question
        assert (answer["quote"], answer["file"], answer["document"], answer["line"]) == (QUOTE, str(folder / "b.txt"), 51, 2)
        assert answer["answer"] in QUOTE and answer["bits"] > 0
    assert found[0]["answer"] == "Lily"


def test_without_a_text_it_asks_its_own_memory(scout):
    for answer in answers(scout, QUESTIONS, [], progress=False):
        assert answer["quote"] == QUOTE and answer["document"] == 0
        tokens = scout.arrays["ring"][answer["line"] - 1 :][:100]
        told = b"".join(scout.tokenizer.token_bytes[token] for token in tokens).decode()
        assert told.startswith("It rained. Lily hid a green lamp in the attic.")


def test_questions_that_were_read_are_not_quoted(scout):
    for answer in answers(scout, ["Who went to the park with a red ball?"], [], progress=False):
        assert "?" not in answer["quote"]


def test_asking_leaves_no_trace_and_the_order_of_questions_none_either(folder, scout):
    before = {name: array.copy() for name, array in scout.text_memory().items()}
    found = list(answers(scout, QUESTIONS, texts(folder), progress=False))
    assert all(np.array_equal(array, before[name]) for name, array in scout.text_memory().items())
    assert list(answers(scout, QUESTIONS[::-1], texts(folder), progress=False))[::-1] == found


@pytest.mark.parametrize("tier", ["fast", "deep"])
def test_what_is_read_is_forgotten_again(tier, folder, tmp_path):
    """Also over the end of the ring, where the oldest tokens are overwritten."""
    documents = stories(60)
    scout, _ = train(documents, tier, 512 << 20, 1, train_tokenizer(documents, 300, progress=False), progress=False)
    library = native.load("scout")
    scout.arrays["position"][0] = (1 << 22) - 20
    tokens = scout.tokenizer.encode("\n".join(stories(3, seed=5))).astype(np.uint16)[:90]
    kept = np.empty(library.lib.scout_keep_size(scout._c, len(tokens)), np.uint8)
    before = {name: array.copy() for name, array in scout.text_memory().items()}
    expected = None
    for _ in range(2):
        library.call("scout_keep", scout._c, tokens, kept)
        bits = [*scout.probabilities_of(tokens[:50], learn=False)[0], *scout.probabilities_of(tokens[50:], learn=False)[0]]
        assert expected is None or bits == expected
        expected = bits
        library.call("scout_forget", scout._c, len(tokens), kept)
        assert [name for name, array in scout.text_memory().items() if not np.array_equal(array, before[name])] == []


def test_more_questions_than_are_answered_at_once(folder, scout):
    found = list(answers(scout, QUESTIONS[:1] * (AT_ONCE + 1), texts(folder)[1:], progress=False))
    assert len(found) == AT_ONCE + 1 and all(answer == found[0] for answer in found)


def test_a_question_without_a_known_word(folder, scout, capsys):
    assert next(answers(scout, ["Who zzyzx qqq?"], texts(folder), progress=False))["answer"] == ""
    main(["ask", str(folder / "s.scout"), "Who zzyzx qqq?", "--text", str(folder / "a.txt")])
    assert capsys.readouterr().out == "No sentence of the text has a word of this question.\n"


def test_the_command(folder, capsys):
    main(["ask", str(folder / "s.scout"), QUESTIONS[0], "--text", texts(folder)[0], "--text", texts(folder)[1]])
    assert capsys.readouterr().out == f"Lily\n  {QUOTE}\n  {folder}/b.txt, document 51, line 2\n"


@pytest.mark.parametrize(
    "question, words", [("Who?", "several words"), ("Who found " + "x" * 600, "is too long"), ("Who\nfound it", "in a line")]
)
def test_what_is_no_question(folder, scout, question, words):
    with pytest.raises(UserError, match=words):
        next(answers(scout, [question], texts(folder), progress=False))


# ---- the program


def program(*arguments, **options):
    return subprocess.run([PROGRAM, "ask", *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="build/scout is a program for Linux")


@on_linux
def test_the_program_answers_as_python_does(folder, scout):
    for paths in (texts(folder), []):
        options = [word for path in paths for word in ("--text", path)]
        expected = list(answers(scout, QUESTIONS, paths, progress=False))
        for done in (
            program(folder / "s.scout", *QUESTIONS, *options, "--json"),
            program(folder / "s.scout", *options, "--json", input="\n".join(["", *QUESTIONS, ""])),
        ):
            assert done.returncode == 0 and done.stderr == ""
            found = [json.loads(line) for line in done.stdout.splitlines()]
            assert [{**answer, "gain": 0, "bits": 0} for answer in found] == [{**answer, "gain": 0, "bits": 0} for answer in expected]
            for a, b in zip(found, expected):
                assert a["gain"] == pytest.approx(b["gain"], abs=0.01) and a["bits"] == pytest.approx(b["bits"], abs=0.01)


@on_linux
def test_the_program_in_words(folder):
    done = program(folder / "s.scout", QUESTIONS[0], "--text", folder / "b.txt")
    assert done.stdout == f"Lily\n  {QUOTE}\n  {folder}/b.txt, document 51, line 2\n"
    done = program(folder / "s.scout", QUESTIONS[0])
    assert done.stdout.startswith(f"Lily\n  {QUOTE}\n  token ") and done.stdout.endswith(" of what the scout read\n")


@on_linux
def test_the_program_refuses_in_one_line(folder, tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
    scout = folder / "s.scout"
    for status, words, *arguments in [
        (2, "give one SCOUT"),
        (1, "cannot be read", tmp_path / "absent.scout", "Who is it?"),
        (1, "there is no such file", scout, "Who is it?", "--text", tmp_path / "absent.txt"),
        (1, "is not UTF-8", scout, "Who is it?", "--text", tmp_path / "latin.txt"),
        (2, "the text is read twice", scout, "Who is it?", "--text", "-"),
        (2, "a value is missing", scout, "Who is it?", "--text"),
        (2, "--frozen is not an option", scout, "Who is it?", "--frozen"),
        (1, "one line of several words", scout, "Who?"),
        (1, "is too long", scout, "Who " + "x" * 600),
    ]:
        done = program(*arguments, input="")
        assert done.returncode == status and done.stdout == "" and done.stderr.count("\n") == 1 and words in done.stderr, (arguments, done)
