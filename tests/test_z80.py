"""The Z80's model: text, exact integers, training, files, mistakes. tests/test_z80_machine.py has the program."""

import dataclasses

import numpy as np
import pytest

from fable6c import z80
from fable6c.errors import UsageError, UserError
from fable6c.z80lib import build, chatter, games, score, things
from fable6c.z80lib import model as models
from fable6c.z80lib.text import (
    LINE,
    ROWS_OF_A_LINE,
    Example,
    Memory,
    hashed,
    hashes,
    memories,
    normalize,
    parse_examples,
    read_examples,
    rows,
)
from fable6c.z80lib.training import Selected, Settings, Trainer, accuracy, ternary
from z80_guesser import Guesser
from z80_models import any_model

SMALL = Settings(rows=256, context=64, epochs=250, batch=8, smooth=0.05, certain=1.0)


def examples(*lines, secrets=False):
    return parse_examples(lines, "lines.txt", secrets=secrets)


@pytest.fixture(scope="module")
def trained():
    return Trainer(examples("is it red|NO", "is it alive|YES", "can it swim|MAYBE", "hello there|HI!"), SMALL).train(progress=False)


# ---- text


def test_normalize():
    assert normalize("  Don't YOU -- like R2-D2?! ") == "dont you like r2 d2"
    assert normalize("?!") == ""


def test_a_hash_is_a_polynomial_of_16_bits():
    assert hashed(0, "ab") == 31 * ord("a") + ord("b")
    assert hashed(0x1234, "q" * 30) < 65536


def test_hashes_come_in_the_order_of_one_reading():
    word, pair, trigram = hashed(0x1234, "ab"), hashed(0x5A5A, "ab"), hashed(0, " ab")
    assert hashes("ab") == [trigram, hashed(0, "ab "), word, pair, (word + 0x5A5A) & 0xFFFF]
    assert hashes("") == [0x5A5A]


def test_a_pair_of_words_is_not_the_pair_the_other_way_round():
    assert hashes("is it")[-2] != hashes("it is")[-2]


def test_a_long_line_selects_no_more_rows_than_a_byte_can_count():
    assert len(rows("a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 a b c", 512)) == ROWS_OF_A_LINE


def test_a_memory_keeps_two_replies():
    memory = Memory().after("A").after("B").after("C")
    assert memory == (hashed(0x0500, "C"), hashed(0x0500, "B"))
    assert rows("hi", 256, memory)[:5] == [each % 256 for each in memory.hashes()]
    assert len(set(memory.hashes())) == 2


def test_an_empty_line_begins_a_conversation():
    found = memories(examples("a|X", "b|Y", "", "# not a line", "c|Z"))
    assert [bool(memory.last) for memory in found] == [False, True, False]


MISTAKES = {
    "is it red;NO": "line 2: 'is it red;NO' has 0 separators '|'; write line|ANSWER",
    "is it|red|NO": "line 2: 'is it|red|NO' has 2 separators '|'; write line|ANSWER",
    "is it caf\u00e9|NO": "line 2: '\u00e9' (U+00E9) is no character of the machine, which has ASCII only; replace it",
    "is it red|N\tO": "line 2: '\\t' (U+0009) is no character of the machine",
    "?!|NO": "line 2: '?!' has no letter or digit to learn from",
    "a" * (LINE + 1) + "|NO": "line 2: the line has 81 characters, the machine reads 80; shorten it",
    "Quit!|BYE": "line 2: 'Quit!' is a command of the program, so no model ever sees it; remove the line",
    "/t|YES": "line 2: '/t' is a command of the program",
    "is it red|": "line 2: the answer has 0 characters; the machine gives 1 to 40",
    "is it red|" + "N" * 41: "line 2: the answer has 41 characters",
    "is it red|PERHAPS": "line 2: the answer 'PERHAPS' is not one of YES, NO; correct it or --answers",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_wrong_line_is_named_with_its_place(line):
    with pytest.raises(UserError) as found:
        parse_examples(["are you red|NO", line], "bad.txt", answers=["YES", "NO"])
    assert str(found.value).startswith("bad.txt, " + MISTAKES[line])
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("content, words", [(b"", "holds no example"), (b"a|B\n\xff|C\n", "line 2: byte 0xff is not UTF-8")])
def test_wrong_files(tmp_path, content, words):
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(UserError, match=words):
        z80.main(["train", str(tmp_path / "text"), "-o", str(tmp_path / "model")])


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfis it red|NO\n")
    assert read_examples(str(tmp_path / "text"))[0].line == "is it red"


def test_nothing_held_out_is_said_before_scoring(tmp_path):
    (tmp_path / "text").write_text("is it red|NO\nis it blue|NO\n")
    any_model().save(str(tmp_path / "a.model"))
    with pytest.raises(UserError, match="--hold-out 1: leaves"):
        z80.main(["evaluate", str(tmp_path / "a.model"), str(tmp_path / "text"), "--hold-out", "1", "--by", "template"])


def test_secrets_are_a_third_field():
    with pytest.raises(UserError, match="names no secret"):
        examples("|is it alive|YES", secrets=True)
    assert examples("CAT|is it alive|YES", secrets=True)[0].secret == "CAT"
    with pytest.raises(UserError, match=r"write secret\|line\|ANSWER"):
        examples("is it alive|YES", secrets=True)


# ---- the network


def test_replies_at_once_are_the_replies_one_by_one():
    model = any_model("ABCDEFG", secrets=("X", "Y"), memory=True)
    lines = ["is it red", "a", "what do you think of that"]
    remembered = [Memory(), Memory().after("AB"), Memory().after("C").after("DD")]
    singly = [model.reply(*each)[0] for each in zip(lines, [0, 1, 1], remembered)]
    assert model.replies(lines, [0, 1, 1], remembered) == singly
    assert len(set(singly)) > 1


def test_nothing_can_overflow():
    """The largest and the smallest weights, the longest line: each sum stays where network.asm has room for it."""
    line = "a" * LINE
    for sign in (-1, 1):
        model = any_model()
        for name in models.WEIGHTS:
            getattr(model, name)[:] = 1
        model.table[:] = sign
        question = model.question(line)
        assert abs(question).max() <= ROWS_OF_A_LINE
        assert -127 <= (question - 32).min() and (question + 32).max() <= 127
        logits = model.logits(question, "A")
        assert 0 <= logits.min() and logits.max() <= 48 * models.TOP
    assert ROWS_OF_A_LINE * 2 <= 255 and ROWS_OF_A_LINE + 32 <= 127  # a byte of 0, 1, 2 each; a signed byte with the context
    assert 2 * 6 * models.TOP <= 255 and 2 * 48 * models.TOP < 65536  # two sums of three; a logit made positive


def test_the_generator_visits_all_states_but_zero():
    state, seen = 1, 0
    for _ in range(65535):
        state = models.random_bits(state)
        seen += 1
        if state == 1:
            break
    assert seen == 65535


def test_a_temperature_draws_by_odds_and_none_takes_the_likeliest():
    model = any_model("AB")
    model.heat = 0.05
    logits = np.array([0, 40, 30])
    seed, drawn = 1, []
    for _ in range(4000):
        chosen, seed = model.sample(logits, 5, seed)
        drawn.append(chosen)
    share = np.bincount(drawn, minlength=3) / 4000
    odds = np.exp(logits * 0.05)
    assert np.allclose(share, odds / odds.sum(), atol=0.04)
    cold = [model.sample(logits, 1, seed)[0] for seed in range(1, 500)]
    assert cold.count(1) > 0.8 * len(cold)


# ---- training


def test_the_trainer_sees_the_machines_integers():
    """Its float32 forward pass gives the same logits as the int64 of `Model.logits`, which the Z80 is compared with."""
    given = examples("is it red|NO", "is it alive|YES")
    trainer = Trainer(given, SMALL)
    batch = trainer.batch([0, 1])
    model = trainer.model()
    weights = {name: ternary(each) for name, each in trainer.weights.items()}
    z = np.floor(((batch.table.sum_of(weights["table"]))[batch.example] + 8 * batch.context.sum_of(weights["context"])) / 2)
    x = models.clamp(z)
    h = models.clamp(x + np.floor(x @ weights["mix"] / 8))
    exact = [model.logits(model.question(each.line), each.answer[:place]) for each in given for place in range(len(each.answer) + 1)]
    assert np.array_equal(h @ weights["output"], np.array(exact))


def test_gradients_of_sums_by_finite_differences():
    draw = np.random.default_rng(5)
    selected = Selected.of([np.array([1, 1, 3]), np.array([0]), np.array([3, 2])])
    table, dsum = draw.normal(size=(5, 4)), draw.normal(size=(3, 4))
    found = selected.gradient(dsum, 5)
    for row in range(5):
        for column in range(4):
            moved = table.copy()
            moved[row, column] += 1e-3
            slope = ((selected.sum_of(moved) - selected.sum_of(table)) * dsum).sum() / 1e-3
            assert abs(slope - found[row, column]) < 1e-5


@pytest.mark.parametrize("name", ["heat", "output"])
def test_gradients_of_the_loss_by_finite_differences(name):
    """Behind the last rounding nothing is straight-through: there the gradient is the slope."""
    trainer = Trainer(examples("is it red|NO", "is it alive|YES", "hello|HI"), dataclasses.replace(SMALL, smooth=0.0))
    batch = trainer.batch([0, 1, 2])
    rounded = {each: ternary(weights) if each != "heat" else weights.astype(np.float64) for each, weights in trainer.weights.items()}

    def loss(change):
        w = {**rounded, name: rounded[name] + change}
        z = np.floor((batch.table.sum_of(w["table"])[batch.example] + 8 * batch.context.sum_of(w["context"])) / 2)
        x = models.clamp(z)
        scaled = models.clamp(x + np.floor(x @ w["mix"] / 8)) @ w["output"] * w["heat"]
        scaled = scaled - np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1, keepdims=True)) - scaled.max(1, keepdims=True)
        return -scaled[np.arange(len(batch.target)), batch.target].sum() / len(batch.secret)

    found = trainer.gradients(batch)[1][name]
    for place in [(0,)] if name == "heat" else [(0, 0), (7, 3), (47, 1)]:
        change = np.zeros(rounded[name].shape)
        change[place] = 1e-4
        slope = (loss(change) - loss(-change)) / 2e-4
        assert abs(slope - found[place]) < 1e-3 * max(1, abs(slope))


def test_it_learns_and_every_weight_is_ternary(trained):
    assert [trained.reply(line)[0] for line in ("is it red", "is it alive", "can it swim", "hello there")] == ["NO", "YES", "MAYBE", "HI!"]
    assert all(np.isin(getattr(trained, name), (-1, 0, 1)).all() for name in models.WEIGHTS)


def test_characters_without_a_choice_are_learned_less_often():
    trainer = Trainer(examples("a|YES", "b|YELL", "c|NO"), dataclasses.replace(SMALL, certain=0.0))
    batch = trainer.batch([0, 1, 2])
    learned = ["".join(("$" + trainer.characters)[each] for each in batch.target[batch.example == number]) for number in range(3)]
    assert learned == ["YS", "YL", "N"]


def test_the_same_seed_gives_the_same_model():
    given = examples("is it red|NO", "is it alive|YES")
    first, second, other = (Trainer(given, dataclasses.replace(SMALL, epochs=2, seed=seed)).train(False) for seed in (1, 1, 2))
    assert np.array_equal(first.table, second.table) and not np.array_equal(first.table, other.table)


def test_it_learns_what_a_question_means_for_each_secret():
    given = examples("CAT|is it alive|YES", "CAT|is it round|NO", "BALL|is it alive|NO", "BALL|is it round|YES", secrets=True)
    model = Trainer(given, SMALL).train(False)
    assert model.secrets == ("BALL", "CAT")
    assert accuracy(model, given) == 1


def test_it_learns_to_remember():
    given = examples("cats|CATS", "why|PURR", "", "dogs|DOGS", "why|WOOF")
    assert accuracy(Trainer(given, SMALL, memory=True).train(False), given) == 1
    assert accuracy(Trainer(given, SMALL).train(False), given) < 1


def test_too_many_characters_or_secrets_are_refused():
    with pytest.raises(UserError, match="64 different characters, the machine takes 63"):
        Trainer([Example("a", "".join(map(chr, range(33, 97))))], SMALL)
    with pytest.raises(UserError, match="129 secrets"):
        Trainer([Example("a", "B", f"S{number}") for number in range(129)], SMALL)


# ---- files


def test_a_model_comes_back_from_its_file(tmp_path):
    model = any_model("AB", secrets=("X", "Y"), memory=True)
    model.save(str(tmp_path / "a.model"))
    again = models.load(str(tmp_path / "a.model"))
    assert (again.characters, again.secrets, again.memory, again.heat) == ("AB", ("X", "Y"), True, model.heat)
    assert all(np.array_equal(getattr(again, name), getattr(model, name)) for name in models.WEIGHTS)


def test_wrong_model_files_are_one_line(tmp_path):
    path = tmp_path / "a.model"
    with pytest.raises(UserError, match="cannot be read"):
        models.load(str(path))
    any_model().save(str(path))
    good = path.read_bytes()
    for content in (b"", b"<!DOCTYPE html>", good[: len(good) // 2], good[:200] + b"\0" + good[201:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="a.model: "):
            models.load(str(path))
    wrong = any_model()
    wrong.table = wrong.table[:100]
    wrong.save(str(path))
    with pytest.raises(UserError, match="100 rows"):
        models.load(str(path))


@pytest.mark.parametrize("name, weights", [("mix", np.full((48, 48), 2, np.int8)), ("output", np.zeros((48, 9), np.int8))])
def test_contradictions_are_found(name, weights):
    assert models.contradiction(any_model()) == ""
    assert name in models.contradiction(dataclasses.replace(any_model(), **{name: weights}))


def unpack_fives(data):
    """The inverse of `pack_fives`."""
    digits = np.frombuffer(data, np.uint8).reshape(-1, 10)[:, :, None] // 3 ** np.arange(5) % 3
    return digits.reshape(-1, 50)[:, : models.WIDTH].astype(np.int8) - 1


def test_packing():
    weights = any_model(rows=512).table
    packed = build.pack_fives(weights)
    assert len(packed) == 5120
    assert np.array_equal(unpack_fives(packed), weights)
    threes = np.frombuffer(build.pack_threes(weights[:1]), np.uint8)
    assert [each // 32 for each in threes] == [0, 1, 2, 3, 4, 5, 6, 7] * 2
    assert threes[0] % 32 == (weights[0, :3] + 1) @ [1, 3, 9]


# ---- made-up texts


def test_every_trait_is_known_and_every_thing_is_told_apart():
    known = set(things.TRAITS) | set(things.KINDS)
    for text in [*things.THINGS.values(), *things.KINDS.values()]:
        assert {word.lstrip("!~") for word in text.split("|")[0].split()} <= known
    assert len(things.ALL_THINGS) >= 60
    columns = list(zip(*things.knowledge(things.asked(games.TRAITS_ASKED))))
    assert len(set(columns)) == len(columns)


def test_the_game_says_what_is_true():
    cat = next(thing for thing in things.ALL_THINGS if thing.name == "CAT")
    assert (cat.traits["alive"], cat.traits["black"], cat.traits.get("metal", "NO")) == ("YES", "MAYBE", "NO")
    assert things.article("is it a apple") == "is it an apple"


def test_made_up_texts_are_right_for_the_machine():
    made = parse_examples(things.lines(3, 2000), "game", ["YES", "NO", "MAYBE", "WIN", "?"], secrets=True)
    assert {example.answer for example in made} == {"YES", "NO", "MAYBE", "WIN", "?"}
    assert made != parse_examples(things.lines(4, 2000), "game", secrets=True)
    assert parse_examples(chatter.lines(1, 50), "chat")


def test_unseen_frames_are_unseen():
    for kind in things.FRAMES:
        assert not set(things.frames(kind)) & set(things.frames(kind, unseen=True))


def test_the_guesser_finds_what_an_honest_person_thinks_of():
    lost = []
    for number in range(len(things.ALL_THINGS)):
        guesser, won = Guesser(), False
        while not won:
            asks = guesser.ask()
            if asks is None:
                break
            kind, value = asks
            won = guesser.answer(guesser.known[value][number] if kind == "trait" else int(value == number))
        if not won:
            lost.append(things.ALL_THINGS[number].name)
        assert guesser.count <= games.QUESTIONS
    assert lost == []


# ---- scores


def test_a_split_by_query_shares_no_line_and_one_by_template_no_way_of_asking():
    given = examples(*(f"{frame} {word}|NO" for frame in ("is it", "are you", "can this", "does that") for word in "abcdefghijklm"))
    train, test = score.split(given, 0.25)
    assert len(test) == 13 and not {each.line for each in train} & {each.line for each in test}
    train, test = score.split(given, 0.25, by="template")
    assert len(test) == 13 and not {score.template(each.line) for each in train} & {score.template(each.line) for each in test}
    assert score.split(given, 0.25)[1] == score.split(given, 0.25)[1] != score.split(given, 0.25, seed=2)[1]


def test_nearest_neighbours():
    train = examples("is it red|NO", "is it reddish|NO", "can it swim|YES")
    assert score.nearest_neighbours(train, examples("is this red|NO", "could it swim|YES"), 1) == 1
    assert score.nearest_neighbours(train, examples("is it red|YES"), 1) == 0


# ---- the command


def test_train_and_evaluate(tmp_path, capsys):
    text, path = tmp_path / "lines.txt", str(tmp_path / "a.model")
    text.write_text("".join(f"is it {word}|{'YES' if word < 'm' else 'NO'}\n" for word in "abcdefghijklmnopqrstuvwxyz"))
    z80.main(["train", str(text), "-o", path, "--rows", "256", "--epochs", "2", "--hold-out", "20"])
    assert "held out 6 lines (by query)" in capsys.readouterr().out
    z80.main(["evaluate", path, str(text)])
    assert "of 26 lines" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "-o", "x"], "name a text or give --made-up"),
        (["train", "a", "--made-up", "chat", "-o", "x"], "name a text or give --made-up"),
        (["train", "a", "-o", "x", "--rows", "1000"], "--rows 1000: give a multiple of 256 up to 8192"),
        (["train", "a", "-o", "x", "--context", "100"], "--context 100: give one of 16, 32"),
        (["train", "a", "-o", "x", "--epochs", "0"], "--epochs 0"),
        (["train", "a", "-o", "x", "--forget", "1"], "--forget"),
        (["train", "a", "-o", "x", "--seed", "-1"], "--seed -1: give a whole number from 0"),
        (["train", "a", "-o", "x", "--hold-out", "nan"], "--hold-out nan: give a share from 0 to below 100"),
        (["train", "a", "-o", "x", "--hold-out", "-5"], "--hold-out -5"),
        (["train", "a", "-o", "x", "--answers", " ,"], "--answers ' ,': give answers with commas"),
        (["run", "--say", "!!!"], "--say '!!!': give a line with a letter or a digit"),
        (["evaluate", "a", "--machine", "-2"], "--machine"),
        (["build", "a", "b", "c", "-o", "x"], "3 models"),
        (["nothing"], "invalid choice"),
    ],
)
def test_wrong_commands_are_one_line(arguments, words):
    with pytest.raises(UsageError, match=words) as found:
        z80.main(arguments)
    assert "\n" not in str(found.value)
