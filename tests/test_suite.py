"""`python -m fable6c.evaluate suite`: batched scores are those of the reference, tasks know right from wrong, an interrupted suite resumes."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from fable6c.data.bpe import train_tokenizer
from fable6c.errors import UsageError, UserError
from fable6c.evaluation import page, statistics, suite
from fable6c.evaluation.batch import document_bits, sentence_bits
from fable6c.evaluation.bits import evaluate
from fable6c.evaluation.ensemble import SIGNS
from fable6c.evaluation.predictors import Ensemble, FrozenScout, Network, Story, open_predictor
from fable6c.evaluation.tasks import Asked, cloze, determinism, grammar, instructions, knowledge, prediction, quantization, stories
from fable6c.mixing.reading import train
from fable6c.model.file import read_model, write_model
from fable6c.model.reference import Reference, generate
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress
from made_runs import make_run
from story_models import ending_model, endless_model
from tiny_models import tiny_model

TESTS = pathlib.Path(__file__).parent
MEMORY = 160 << 20
STORY = "Once there was a child named {}. {} went to the {} with a red ball and a drum.\n"


def silent():
    return Progress("", enabled=False)


@pytest.fixture
def model_path(tmp_path):
    path = str(tmp_path / "model.f6c")
    write_model(path, tiny_model(dim=16, hidden=24, copies=True))
    return path


@pytest.fixture(scope="module")
def scout():
    texts = [STORY.format(name, name, place) for name in ("Tom", "Lily", "Max") for place in ("park", "lake", "house")] * 20
    tokenizer = train_tokenizer(texts, 300, progress=False)
    return train(texts, "normal", MEMORY, 1, tokenizer, progress=False)[0]


class Judge:
    """A predictor of a rule: `cost(text)` bits for the last token, none for the others. It tells what it is given."""

    kind, sha256, model = "network", "0" * 64, None

    def __init__(self, cost, told=""):
        self.cost, self.told, self.tokenizer = cost, told, Tokenizer(np.zeros((0, 2), np.uint16))

    def alone(self, texts, progress=False):
        return [self._bits(tokens) for tokens in texts]

    def stream(self, tokens, progress=False):
        return self._bits(tokens)

    def tell(self, openings, most, seeds, progress=False):
        return [Story(self.told, True) for _ in openings]

    def _bits(self, tokens):
        bits = np.zeros(len(tokens))
        bits[-1:] = self.cost(self.tokenizer.decode(tokens.tolist()).decode())
        return bits


# ---- predictors


@pytest.mark.parametrize("copies", [False, True])
def test_batched_scores_are_those_of_the_reference(copies):
    model = tiny_model(dim=16, hidden=24, context=16, copies=copies)
    random = np.random.default_rng(3)
    texts = [random.integers(97, 120, length).astype(np.uint16) for length in [0, 1, 2, 8, 9, 15, 16, 17, 40] + [5] * 300]
    reference = Reference(model)
    for text, bits in zip(texts, sentence_bits(model, texts)):
        expected = document_bits(reference, text, silent())
        assert bits.shape == (len(text),)
        np.testing.assert_allclose(bits, expected, rtol=1e-4, atol=1e-4)


def test_batched_scores_leave_out_the_end_mark():
    model = ending_model()  # nearly all of its probability is the end mark's
    text = np.array([70, 71, 72], np.uint16)
    (bits,) = sentence_bits(model, [text])
    np.testing.assert_allclose(bits, document_bits(Reference(model), text, silent()), rtol=1e-4)
    assert bits.sum() < 40


@pytest.mark.clock
def test_ten_thousand_sentences_take_a_tenth_of_the_references_time():
    model = read_model(TESTS.parent / "release" / "micro.f6c")
    tokenizer, reference = Tokenizer(model.merges), Reference(model)
    texts = [tokenizer.encode(item.context + end) for item in knowledge.items() for end in (item.right, item.wrong)]
    texts = (texts * 5)[:10_000]
    start = time.process_time()
    sentence_bits(model, texts)
    batched = time.process_time() - start
    start = time.process_time()
    for text in texts[:: len(texts) // 200]:
        document_bits(reference, text, silent())
    alone = (time.process_time() - start) * len(texts) / 200
    print(f"10,000 sentences, {sum(map(len, texts)):,} tokens: {batched:.1f} CPU seconds in batches, {alone:.0f} by the reference")
    assert alone > 10 * batched


def test_stories_told_side_by_side_are_those_of_one_reference():
    model = endless_model()
    openings, seeds = ["Once", "A much longer opening of a story", ""], [1, 2, 3]
    told = Network(model, "").tell(openings, 12, seeds)
    for opening, seed, story in zip(openings, seeds, told):
        ids = Tokenizer(model.merges).encode(opening)
        alone = b"".join(piece for _, piece in generate(Reference(model), ids, 12, Sampler.by_default(seed)))
        assert story == Story(alone.decode("utf-8", "replace"), False)
    assert Network(ending_model(), "").tell(["Once"], 12, [1]) == [Story("", True)]


def test_a_frozen_scout_forgets_what_it_was_asked(scout):
    predictor = FrozenScout(scout, "")
    texts = [predictor.tokenizer.encode(text) for text in ("Lily went to the lake.", "Tom had a drum.", "Lily went to the lake.")]
    first, _, again = predictor.alone(texts)
    assert np.array_equal(first, again)
    assert np.array_equal(predictor.alone(texts[::-1])[0], first)
    assert np.array_equal(predictor.stream(texts[0]), first)
    told = predictor.tell(["Once there was", "Once there was"], 20, [1, 1])
    assert told[0] == told[1] and "child" in told[0].text


def test_an_ensemble_that_believes_nobody_but_one_is_that_one(scout):
    model = tiny_model(dim=16, hidden=24, vocab=scout.tokenizer.vocab_size)
    model.merges = scout.tokenizer.merges
    texts = [scout.tokenizer.encode("Tom went to the park."), scout.tokenizer.encode("Lily")]
    memory = scout.text_memory()
    for believed in (-60.0, 60.0):
        gate = np.zeros(len(SIGNS))
        gate[0] = believed
        scout.restore_text_memory(memory)  # what is read before each of them is the same
        alone = (Network(model, "") if believed < 0 else FrozenScout(scout, "")).alone(texts)
        scout.restore_text_memory(memory)
        both = Ensemble(model, "", scout, gate)
        for bits, expected in zip(both.alone(texts), alone):
            np.testing.assert_allclose(bits, expected, rtol=1e-4)
    told = both.tell(["Once there was"], 8, [1])
    assert told == both.tell(["Once there was"], 8, [1])
    with pytest.raises(UsageError, match="needs --corpus"):
        open_predictor(str(TESTS / "golden" / "model.f6c"), ensemble=True)


# ---- figures


def test_intervals():
    figures = statistics.ratio([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    assert figures["value"] == 1.0 and figures["low"] < 1.0 < figures["high"] and figures["count"] == 3
    assert statistics.ratio([1.0], [4.0]) == {"value": 0.25, "low": None, "high": None, "count": 1}
    alike = statistics.share([True] * 50 + [False] * 50, [0] * 50 + [1] * 50)
    apart = statistics.share([True] * 50 + [False] * 50, range(100))
    assert (alike["low"], alike["high"]) == (0, 1) and 0.38 < apart["low"] < apart["high"] < 0.62
    assert alike["count"] == 100


# ---- prediction


def test_prediction_by_stories_is_what_evaluate_says(model_path, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("A cat.\n\nIt sat.\n<|endoftext|>\nTwo dogs ran.\n<|endoftext|>\nAn end, é.", encoding="utf-8")
    documents = ["A cat.\nIt sat.", "Two dogs ran.", "An end, é."]
    predictor = open_predictor(model_path)
    figures = prediction.score(predictor, str(text))
    assert figures["documents"] == 3 and figures["chars"] == sum(map(len, documents)) and "flashlm" not in figures
    assert figures["stories"]["value"] == pytest.approx(evaluate(model_path, documents, progress=False)["bits_per_char"], rel=1e-4)
    stream = evaluate(model_path, ["\n".join(documents)], figures["chars"], progress=False)["bits_per_char"]
    assert figures["stream"]["value"] == pytest.approx(stream, rel=1e-6)
    assert list(prediction.score(predictor, str(text), ["stories"])) == ["text", "sha256", "documents", "chars", "tokens", "stories"]
    with pytest.raises(UsageError, match="valid500 only"):
        prediction.score(predictor, str(text), ["flashlm"])


def test_a_text_without_end_marks_is_one_stream_in_parts(model_path, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "PART_CHARACTERS", 20)
    text = tmp_path / "text.txt"
    text.write_text("One line here.\nAnother line.\n" * 5, encoding="utf-8")
    figures = prediction.score(open_predictor(model_path), str(text))
    assert figures["documents"] == 1 and figures["stream"]["count"] == 5
    expected = evaluate(model_path, [text.read_text()], progress=False)
    assert figures["stream"]["value"] == pytest.approx(expected["bits_per_char"], rel=1e-6) and figures["chars"] == expected["chars"]
    with pytest.raises(UsageError, match="no end marks"):
        prediction.score(open_predictor(model_path), str(text), ["stories"])


def test_flashlm_leaves_out_the_first_token_and_what_comes_after_the_cut():
    judge = Judge(lambda text: 0)
    tokens = judge.tokenizer.encode("é bcd")  # six tokens of a byte
    bits = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert prediction._counted(judge, tokens, bits, 0) == 62
    assert prediction._counted(judge, tokens, bits, 3) == 2 + 4 + 8


def test_valid500_is_known_by_its_text():
    path = TESTS.parent.parent / "shared" / "corpus" / "tinystories" / "valid500.txt"
    if not path.exists():
        pytest.skip("needs ../shared/corpus/tinystories/valid500.txt, the first 500 stories of TinyStories' validation split")
    found = prediction.stories_of(str(path))
    assert len(found.texts) == 500 and sum(found.chars) == 405_081 and sum(cut > 0 for cut in found.cuts) == 57
    assert all(cut <= len(text) for cut, text in zip(found.cuts, found.texts))


# ---- tasks of pairs and items


def test_grammar_counts_the_cheaper_sentence(tmp_path):
    path = tmp_path / "zorro.tsv"
    path.write_text(
        "paradigm\tbad\tgood\nnouns\tthe dogs runs .\tthe dog runs .\nnouns\ta cats sat .\ta cat sat .\nverbs\twho 's this dogs ?\twho 's this dog ?\n"
    )
    pairs = grammar.read_pairs(str(path), "zorro")
    assert pairs["verbs"] == [("Who's this dogs?", "Who's this dog?")]
    right = grammar.score(Judge(lambda text: len(text)), pairs, 10)
    assert right["accuracy"]["value"] == 1 and right["pairs"] == 3 and right["paradigms"] == {"nouns": 1, "verbs": 1}
    assert grammar.score(Judge(lambda text: -len(text)), pairs, 10)["accuracy"]["value"] == 0
    assert grammar.score(Judge(lambda text: 1), pairs, 1)["accuracy"]["value"] == 0.5


@pytest.mark.parametrize("content", [b"", b"paradigm\tgood\tbad\n", b"paradigm\tbad\tgood\nonly\ttwo\n", b"\xff\xfe", b"(\xb5/\xfd"])
def test_a_wrong_test_file_is_one_line(tmp_path, content):
    for name in ("test.tsv", "test.tsv.zst"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            grammar.read_pairs(str(path), "zorro")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_items_are_many_different_and_in_twins():
    items = knowledge.items()
    assert len(items) >= 1000 and len({(i.context, i.right) for i in items}) == len(items) and items == knowledge.items()
    for first, second in zip(items[::2], items[1::2]):
        assert (first.kind, first.twin) == (second.kind, second.twin) and first.context != second.context
        assert (first.right, first.wrong) == (second.wrong, second.right) and first.right != first.wrong
    assert set(knowledge.KINDS) == {item.kind for item in items}


def test_who_knows_the_story_is_right_and_who_only_likes_an_end_is_not():
    items = knowledge.items(20)
    known = {item.context + item.right for item in items}
    assert knowledge.score(Judge(lambda text: text not in known), items)["accuracy"]["value"] == 1
    assert knowledge.score(Judge(lambda text: text in known), items)["accuracy"]["value"] == 0
    liked = knowledge.score(Judge(lambda text: sum(text.split(" ")[-1].encode())), items)
    assert liked["accuracy"]["value"] == 0.5


def test_cloze_items_have_ten_words_of_a_type(tmp_path):
    books = tmp_path / "book.txt"
    names = ["Alice", "Bob", "Carol", "Dan", "Eve", "Frank", "Grace", "Hal", "Ida", "Jim", "Kay"]
    nouns = "dog cat cow hen pig fox owl bee ant elk ram".split()
    sentences = [
        f"Then came {names[i % 11]} with {names[(i + 4) % 11]}, and the {nouns[i % 11]} was a {nouns[(i + 5) % 11]}." for i in range(33)
    ]
    books.write_text(" ".join(sentences))
    items = cloze.items([str(books)], 5)
    assert items and all(len(set(words)) == cloze.CHOICES for _, _, words, _ in items)
    assert {kind for kind, *_ in items} == {"names", "nouns", "prepositions"}
    texts = " ".join(sentences)
    for _, before, words, after in items:
        assert before + words[0] + after in texts
    right = {before + words[0] + after for _, before, words, after in items}
    assert cloze.score(Judge(lambda text: text not in right), [str(books)], 5)["accuracy"]["value"] == 1
    assert cloze.score(Judge(lambda text: text in right), [str(books)], 5)["accuracy"]["value"] == 0


def test_types_of_words():
    text = "Then Tom said that the dog ran to the house."
    found = {kind: [text[a:b] for a, b in spans] for kind, spans in cloze.types_of(text).items()}
    assert found == {"names": ["Tom"], "nouns": ["house"], "verbs": ["said"], "prepositions": ["to"]}


# ---- stories


def test_openings_are_a_hundred_and_each_has_its_hero():
    openings = stories.openings()
    assert len(openings) == 100 == len({text for text, _ in openings}) and openings == stories.openings()
    assert all(name in text for text, name in openings)


def test_proxies_see_what_they_are_for():
    good = stories.measure([("Tom had a ball.", "Tom")], [Story(" He threw it far. It came back.", True)])
    bad = stories.measure(
        [("Tom had a ball.", "Tom")], [Story(" Tom and Tom had a little little ball. " + "The ball was a big red ball. " * 4, False)]
    )
    assert good["told_twice"]["value"] == 0 == good["joined_to_themselves"] == good["sentences_again"]["value"] == good["loops"]["value"]
    assert bad["told_twice"]["value"] > 0.5 and bad["joined_to_themselves"] == 1 and bad["loops"]["value"] == 1
    assert bad["sentences_again"]["value"] == pytest.approx(3 / 6) and (good["ended"]["value"], bad["ended"]["value"]) == (1, 0)
    assert bad["distinct"]["2"] < good["distinct"]["2"]
    alike = [stories.words_of("the cat sat on the mat and slept")] * 3
    assert stories.self_bleu(alike) == 1 > stories.self_bleu([*alike[:1], stories.words_of("two dogs ran over a hill at night")])
    assert stories.self_bleu(alike[:1]) is None


def test_the_longest_copied_run_is_found():
    told = ["He saw that the quick brown fox jumps over the lazy dog and he laughed.", "Nothing here."]
    corpus = [
        "A story. The quick brown fox jumps over",
        "Once the Quick, brown fox jumps over the lazy dog and ate.",
        "He saw that. He laughed.",
    ]
    found = stories.Copies(told).look_in(corpus)
    assert found["longest"] == 10 and found["passage"] == "the quick brown fox jumps over the lazy dog and"
    assert found["texts_with_long_runs"]["value"] == 0.5 and found["in_runs"]["value"] == pytest.approx(10 / 17)
    none = stories.Copies(told).look_in(["zebra " * 30])
    assert none["longest"] == 0 and none["in_runs"]["value"] == 0


def test_stories_task_compares_with_real_ones_and_the_corpus(tmp_path):
    real = tmp_path / "real.txt"
    real.write_text("A cat sat here. It slept.\n<|endoftext|>\nTwo dogs ran far away.\n")
    asked = Asked(Judge(lambda text: 0, " Then a cat sat here."), "", texts=[str(real)], corpus=[str(real)], stories=3, progress=False)
    figures = stories.run(asked)
    assert figures["told"]["stories"] == 3 and figures["real"]["stories"] == 2 and len(figures["texts"]) == 3
    assert figures["copied"]["longest"] == 4 and figures["copied_real"]["longest"] == 6
    assert figures["told"]["hero_again"]["value"] == 0


def test_the_parsers_verdict(tmp_path, monkeypatch):
    program = tmp_path / "link-parser"
    program.write_text(
        '#!/bin/sh\nwhile read line; do echo "$line"; case "$line" in *good*) echo "Found 3 linkages (1 of 3" ;; *bad*) echo "Found 2 linkages (0 of" ;; *) echo "No complete linkages found." ;; esac; done\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    figures = stories.parser_acceptance(["This is a good one. This is a bad one. What is no one here."], ["This is a good one."])
    assert figures["told"]["value"] == pytest.approx(1 / 3) and figures["real"]["value"] == 1
    program.write_text("#!/bin/sh\n")
    assert "skipped" in stories.parser_acceptance(["This is a good one. This is a bad one."], [])
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "link-grammar" in stories.parser_acceptance(["This is a good one."], [])["skipped"]


# ---- determinism, quantization, instructions


def test_another_story_is_seen(monkeypatch):
    def missing(path):
        raise UserError("not here")

    monkeypatch.setattr(determinism, "RUNTIMES", {"a": lambda path: b"one", "b": lambda path: b"one", "c": missing})
    same = determinism.table("model.f6c")
    assert same["same"] and same["runtimes"] == 2 and same["rows"][2] == {"runtime": "c", "missing": "not here"}
    monkeypatch.setitem(determinism.RUNTIMES, "d", lambda path: b"two")
    assert not determinism.table("model.f6c")["same"]


def test_the_runtimes_of_this_machine_agree():
    path = str(TESTS / "golden" / "model.f6c")
    figures = determinism.run(Asked(open_predictor(path), path))
    assert figures["same"] and figures["runtimes"] >= 1 and figures["golden"] in (True, None), figures


def test_all_roundings_together_are_the_model_file(tmp_path):
    make_run(tmp_path / "run")
    network, tokenizer = quantization.load(str(tmp_path / "run"))
    model = network.model(tokenizer.merges, {})
    tokens = np.arange(97, 117).astype(np.uint16)
    exact = document_bits(Reference(model), tokens, silent())
    together = document_bits(quantization.variant(model, network, quantization.PARTS), tokens, silent())
    np.testing.assert_allclose(together, exact, rtol=1e-3)
    for part in quantization.PARTS:
        alone = document_bits(quantization.variant(model, network, (part,)), tokens, silent())
        assert not np.allclose(alone, exact, rtol=1e-3), part
    assert quantization.raw_bytes(model.dimensions, ()) == 4 * len(network.parameters)
    assert quantization.raw_bytes(model.dimensions, quantization.PARTS) < quantization.raw_bytes(model.dimensions, ("body",))


def test_no_instructions_without_a_card_that_says_so(model_path):
    assert "card" in instructions.run(Asked(open_predictor(model_path), model_path))["skipped"]


# ---- the suite


def test_the_suite_saves_each_task_and_resumes(model_path, tmp_path, monkeypatch, capsys):
    folder, ran = tmp_path / "out", []

    def task(name, stops=False):
        def run(asked):
            ran.append(name)
            if stops and ran.count(name) == 1:
                raise KeyboardInterrupt
            return {"skipped": f"{name} does nothing"}

        return run

    monkeypatch.setattr(knowledge, "run", task("knowledge"))
    monkeypatch.setattr(cloze, "run", task("cloze", stops=True))
    asked = Asked(open_predictor(model_path), model_path, progress=False)
    with pytest.raises(KeyboardInterrupt):
        suite.suite(asked, ["cloze", "knowledge"], str(folder))
    report = suite.suite(asked, ["cloze", "knowledge"], str(folder))
    assert ran == ["knowledge", "cloze", "cloze"] and list(report["tasks"]) == ["knowledge", "cloze"]
    assert json.loads((folder / "report.json").read_text())["tasks"].keys() == report["tasks"].keys()
    assert "resuming" in capsys.readouterr().out
    assert "cloze does nothing" in (folder / "index.html").read_text()
    with pytest.raises(UserError, match="quick differs"):
        suite.suite(dataclasses.replace(asked, quick=True), [], str(folder))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"form": 1, "settings": 3, "tasks": []}', "[" * 5000])
def test_a_foreign_report_is_kept(model_path, tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(UserError, match="another folder"):
        suite.suite(Asked(open_predictor(model_path), model_path), ["cloze"], str(tmp_path))
    assert (tmp_path / "report.json").read_text() == content


@pytest.mark.slow
def test_the_command_from_end_to_end(model_path, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n<|endoftext|>\n".join(STORY.format(n, n, "park") * 2 for n in ("Tom", "Lily", "Max")))
    make_run(tmp_path / "run")
    arguments = [
        model_path,
        "--text",
        text,
        "--corpus",
        text,
        "--books",
        text,
        "--checkpoint",
        tmp_path / "run",
        "--quick",
        "--stories",
        "2",
    ]
    done = run_suite(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["tasks"]) == list(suite.TASKS)
    assert done.stdout.count("\n") == len(suite.TASKS) + 1
    shown = (tmp_path / "out" / "index.html").read_text()
    assert shown.count("data:image/png") == len(page.drawings({"model": report})) >= 3
    again = run_suite(*arguments, "--out", tmp_path / "out")
    assert again.returncode == 0 and "resuming" in again.stdout


def run_suite(*arguments):
    command = [sys.executable, "-m", "fable6c.evaluate", "suite", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent)


def test_bad_input_is_one_line(model_path, tmp_path):
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("a\tb\n")
    for status, says, *arguments in [
        (2, "there is no task 'gramar'; there are prediction, grammar", model_path, "--tasks", "gramar"),
        (1, "absent.f6c", tmp_path / "absent.f6c"),
        (1, "absent.txt", model_path, "--text", tmp_path / "absent.txt"),
        (1, "is not the test zorro", model_path, "--zorro", wrong, "--tasks", "grammar"),
        (1, "no checkpoint", model_path, "--checkpoint", tmp_path, "--text", wrong, "--tasks", "quantization"),
        (1, "starts with", TESTS / "attacks" / "WEB_PAGE-doctype.f6c"),
        (2, "--ensemble needs --corpus", model_path, "--ensemble"),
        (2, "--protocl", model_path, "--protocl", "stream"),
        (1, "cannot be made", model_path, "--out", wrong / "out"),
        (2, "see --help"),
    ]:
        done = run_suite(*arguments, *([] if "--out" in arguments or not arguments else ["--out", tmp_path / "out"]))
        assert done.returncode == status and says in done.stderr, (arguments, done)
        assert done.stdout == "" and done.stderr.count("\n") == 1, (arguments, done)


def test_figures_as_rows():
    value = {"value": 0.5, "low": 0.25, "high": 0.75, "count": 8}
    assert page.flat({"a": {"b": value}, "c": [1, 2], "d": [{"runtime": "x", "n": 1000.0}]}) == [
        ("a, b", "0.5000 (0.2500 to 0.7500; of 8)"), ("c", "[1, 2]"), ("d, x, runtime", "x"), ("d, x, n", "1,000"),
    ]  # fmt: skip
