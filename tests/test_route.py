"""Models of several experts: the router, the command that makes one and keeps it only if it is better, and who else takes them."""

import dataclasses
import json
import re

import numpy as np
import pytest

from fable6c import evaluate, export, generate, inspect, route, train
from fable6c.errors import UserError
from fable6c.evaluation import routing as evaluation
from fable6c.evaluation.ensemble import score as ensemble_score
from fable6c.evaluation.statistics import gain, said, significant
from fable6c.model.file import Matrix, encode_model, read_model, router_rows, write_model
from fable6c.model.limits import ROUTER_PAIRS
from fable6c.model.reference import Reference
from fable6c.model.routing import Route, RoutedReference, open_reference, rows_of
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.router import learn_router
from fable6c.training.start import read_start
from made_runs import quicken
from tiny_models import STEP_TOKENS, TINY_CONFIG, tiny_model

COPYING = TINY_CONFIG.replace("context = 32\n", "context = 32\ncopies = true\n")
WORDS = {"forest": "fox owl oak fern moss hare den creek".split(), "sea": "ship wave gull reef sail salt tide crab".split()}


def write_text(path, words, seed):
    random = np.random.default_rng(seed)
    documents = [" ".join(random.choice(words, 60)) + "." for _ in range(400)]
    path.write_text("<|endoftext|>\n".join(documents), encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the texts and the models of two experts of one ancestor, forest.* and sea.*, and a second forest expert."""
    folder = tmp_path_factory.mktemp("made")
    for seed, (name, words) in enumerate(WORDS.items()):
        write_text(folder / f"{name}.txt", words, seed)
    (folder / "ancestor.toml").write_text(COPYING)
    (folder / "expert.toml").write_text(COPYING + "fixed_embedding = true\n")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)

        def trained(name, config, steps, *more):
            arguments = ["--config", str(folder / f"{config}.toml"), "--threads", "1", "--tokens", str(steps * STEP_TOKENS)]
            train.main([*arguments, "--out", str(folder / name), *more])
            export.export(str(folder / name), str(folder / f"{name}.f6c"))

        trained("ancestor", "ancestor", 40, "--corpus", str(folder / "forest.txt"), str(folder / "sea.txt"))
        for name, text, seed in (("forest", "forest", "1"), ("sea", "sea", "1"), ("again", "forest", "2")):
            more = ["--from", str(folder / "ancestor"), "--corpus", str(folder / f"{text}.txt"), "--seed", seed]
            trained(name, "expert", 60, *more)
    return folder


@pytest.fixture(scope="module")
def routed(made):
    """The path of the two as one model."""
    path = made / "routed.f6c"
    route.main(arguments(made, "forest", "sea", out=path))
    return path


def arguments(made, *names, texts=None, out="out.f6c", more=()):
    experts = [str(made / f"{name}.f6c") for name in names]
    given = [item for name, text in zip(names, texts or names) for item in ("--text", f"{name}={made / text}.txt")]
    return [*experts, *given, *more, "-o", str(out)]


def refused(made, *names, **options):
    out = made / "refused.f6c"
    out.write_bytes(b"before")
    with pytest.raises(UserError) as caught:
        route.main(arguments(made, *names, out=out, **options))
    assert out.read_bytes() == b"before", "nothing is overwritten"
    return str(caught.value).replace(str(made), "DIR")


# ---- the router


def test_rows_of_a_token_and_of_a_pair():
    tokens = np.array([5, 9, 5, 9])
    rows = rows_of(tokens, 500)
    assert rows[:, 0].tolist() == tokens.tolist() and rows[:, 1].min() >= 500 and rows[:, 1].max() < 500 + ROUTER_PAIRS
    assert rows[1, 1] == rows[3, 1], "a token after another one has one row, wherever"
    assert rows[0, 1] != rows[2, 1], "5 after nothing is not 5 after 9"
    many = rows_of(np.arange(4096) * 7 % 65536, 65536)
    assert np.bincount(many[:, 1] - 65536, minlength=ROUTER_PAIRS).max() < 16, "spread over the table"


def test_a_route_in_parts_is_the_route_as_a_whole():
    random = np.random.default_rng(1)
    router = random.integers(-128, 128, (500 + ROUTER_PAIRS, 3)).astype(np.int8)
    tokens = random.integers(0, 500, 400)
    whole, chosen = Route.fresh(3).follow(router, tokens)
    at, parts = Route.fresh(3), []
    for start, end in ((0, 1), (1, 1), (1, 40), (40, 400)):
        at, part = at.follow(router, tokens[start:end])
        parts += part.tolist()
    assert parts == chosen.tolist() and set(parts) == {0, 1, 2}
    assert at.scores.tolist() == whole.scores.tolist() and (at.previous, at.expert) == (whole.previous, whole.expert)


def test_the_scores_as_the_document_says():
    router = np.zeros((300 + ROUTER_PAIRS, 2), np.int8)
    own, pair = rows_of(np.array([7]), 300)[0]
    router[own], router[pair] = (3, 10), (-4, 6)
    after, chosen = Route.fresh(2).follow(router, np.array([7]))
    assert after.scores.tolist() == [-1, 16] and chosen.tolist() == [1], "17 is more than 16"
    router[pair] = (-3, 6)
    after, chosen = Route.fresh(2).follow(router, np.array([7]))
    assert after.scores.tolist() == [0, 16] and chosen.tolist() == [0]
    after, chosen = Route(np.array([-29, 28]), 3, 1).follow(np.zeros((300 + ROUTER_PAIRS, 2), np.int8), np.array([1]))
    assert after.scores.tolist() == [-28, 28] and chosen.tolist() == [1], "rounded down"
    after, _ = Route(np.array([-128, 128]), 3, 1).follow(np.zeros((300 + ROUTER_PAIRS, 2), np.int8), np.array([1]))
    assert after.scores.tolist() == [31, 127], "no further behind than 96"


def test_the_learned_router_tells_kinds_apart():
    random = np.random.default_rng(3)

    def documents(first, count):
        return [random.integers(first, first + 60, 100) for _ in range(count)]

    router = learn_router([documents(0, 40), documents(40, 40), documents(80, 10)], 300, 299)
    assert router.shape == (300 + ROUTER_PAIRS, 3) and router.dtype == np.int8
    for kind, first in enumerate((0, 40, 80)):
        chosen = [Route.fresh(3).follow(router, document)[1][31] for document in documents(first, 20)]
        assert np.mean(np.array(chosen) == kind) > 0.9


# ---- the reference


def test_experts_share_the_memory_and_each_token_has_one():
    model = tiny_model(copies=True, experts=3)
    tokens = np.random.default_rng(4).integers(0, 300, (2, 40))
    logits, state = open_reference(model).forward(tokens)
    references = [Reference(model.expert(number)) for number in range(3)]
    for row in range(2):
        memory, chosen = None, Route.fresh(3).follow(model.router, tokens[row])[1]
        assert len(set(chosen.tolist())) == 3
        for place, expert in enumerate(chosen):
            one, memory = references[expert].forward(tokens[row : row + 1, place : place + 1], memory)
            assert one[0, 0].tobytes() == logits[row, place].tobytes()
        assert state.streams[row].expert == chosen[-1]


def test_an_expert_of_a_model_is_a_model():
    model = tiny_model(copies=True, experts=2)
    expert = model.expert(1)
    assert expert.experts == 1 and encode_model(expert) and expert.tensors["head"] is model.tensors["experts.1.head"]
    assert expert.tensors["embedding"] is model.tensors["embedding"]
    assert isinstance(open_reference(expert), Reference) and isinstance(open_reference(model), RoutedReference)


# ---- the command


def test_two_experts_become_one_model(made, routed, capsys):
    model = read_model(routed)
    assert (model.experts, model.card["experts"], model.version) == (2, ["forest", "sea"], 3)
    for number, name in enumerate(("forest", "sea")):
        own = read_model(made / f"{name}.f6c")
        for key, tensor in model.expert(number).tensors.items():
            for a, b in (
                [(tensor.weight, own.tensors[key].weight), (tensor.scale, own.tensors[key].scale)]
                if isinstance(tensor, Matrix)
                else [(tensor, own.tensors[key])]
            ):
                assert np.array_equal(a, b), key
    tokenizer, reference = Tokenizer(model.merges), open_reference(model)
    text = "gull reef sail salt tide crab ship wave gull reef sail salt. fox owl oak fern moss hare den creek fox owl oak fern moss."
    tokens = np.array([[model.dimensions.end_mark, *tokenizer.encode(text)]])
    _, chosen = Route.fresh(2).follow(model.router, tokens[0])
    assert chosen[tokens.shape[1] // 2 - 2] == 1 and chosen[-1] == 0, "again when the text changes"
    assert reference.forward(tokens)[1].streams[0].expert == 0
    route.main(arguments(made, "forest", "sea", out=made / "once more.f6c", more=["--against", str(made / "ancestor.f6c")]))
    printed = capsys.readouterr().out
    assert "own expert" in printed and "ancestor.f6c" in printed and "% fewer bits" in printed and "after 32 tokens" in printed
    assert (made / "once more.f6c").read_bytes() != b"" and read_model(made / "once more.f6c").router.tobytes() == model.router.tobytes()


def test_who_told_is_said(made, routed, capsys):
    texts = {}
    for runtime in ("reference", "wasm3"):
        try:
            generate.main([str(routed), "-p", "gull reef sail salt tide crab ship wave", "-n", "12", "--runtime", runtime])
        except UserError as error:
            assert "not built" in str(error)
            continue
        printed = capsys.readouterr()
        assert printed.err.splitlines()[-1] == "experts: sea"
        texts[runtime] = printed.out
    assert len(set(texts.values())) == 1
    inspect.main([str(routed)])
    printed = capsys.readouterr().out
    assert 'experts     2: "forest", "sea"' in printed and "expert 1" in printed and "experts.1.head" in printed and "router" in printed


def test_a_text_is_scored_by_its_expert(made, routed, capsys):
    bits = {}
    for name in ("routed", "forest", "sea"):
        evaluate.main([str(made / f"{name}.f6c"), "--text", str(made / "sea.txt"), "--json"])
        bits[name] = json.loads(capsys.readouterr().out)["bits_per_char"]
    assert bits["sea"] <= bits["routed"] < bits["forest"]


def test_nothing_is_kept_that_is_no_better(made):
    assert "not written, because held-out documents do not say that routing is better: " in refused(
        made, "forest", "again", texts=["forest", "forest"]
    )


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda model: dataclasses.replace(model, dimensions=dataclasses.replace(model.dimensions, context=31)), "DIR/other.f6c: has context = 31 and DIR/forest.f6c has 32"),
        (lambda model: dataclasses.replace(model, merges=model.merges[:, ::-1].copy()), "has another tokenizer than"),
        (lambda model: dataclasses.replace(model, tensors={**model.tensors, "norm_in": model.tensors["norm_in"] * 2}), "has another embedding than"),
        (lambda model: dataclasses.replace(model, card={}), "was not trained on this corpus"),
    ],
)  # fmt: skip
def test_experts_that_do_not_fit_together(made, change, message):
    write_model(made / "other.f6c", change(read_model(made / "sea.f6c")))
    assert message in refused(made, "forest", "other", texts=["forest", "sea"])


def test_other_mistakes(made, routed, tmp_path):
    assert "is the same model as another one" in refused(made, "forest", "forest")
    assert "DIR/routed.f6c: has 2 experts itself" in refused(made, "forest", "routed", texts=["forest", "sea"])
    assert "--against takes a model of one" in refused(made, "forest", "sea", more=["--against", str(routed)])
    assert "1 expert: a router needs 2 to 16" in refused(made, "forest")
    for name in ("forest", "routed", "own expert", str(made / "ancestor.f6c")):
        with pytest.raises(UserError, match=f"--text {re.escape(name)}=…: this name stands for another row"):
            evaluation.route(
                [str(made / "forest.f6c"), str(made / "sea.f6c")],
                [evaluation.Text("forest", "x"), evaluation.Text(name, "y")],
                [str(made / "ancestor.f6c")],
                str(tmp_path / "x.f6c"),
            )
    for name in ("a\nb", "a\x1b[31m", " a", "a" * 41, 'a"b', "a\\b"):
        with pytest.raises(UserError, match="a name has up to 40 characters, which can be printed"):
            route.main(
                [str(made / "forest.f6c"), str(made / "sea.f6c"), "--text", f"{name}=b", "--text", "a=b", "-o", str(tmp_path / "x.f6c")]
            )
    write_model(made / "plain.f6c", tiny_model())
    assert "does not copy" in refused(made, "forest", "plain", texts=["forest", "sea"])
    for given, message in (("forest", "expected NAME=FILE"), ("=x", "expected NAME=FILE")):
        with pytest.raises(UserError, match=message):
            route.main([str(made / "forest.f6c"), str(made / "sea.f6c"), "--text", given, "--text", "a=b", "-o", str(tmp_path / "x.f6c")])
    with pytest.raises(UserError, match="--text was given 1 times for 2 experts"):
        route.main([str(made / "forest.f6c"), str(made / "sea.f6c"), "--text", "a=b", "-o", str(tmp_path / "x.f6c")])


def test_the_output_is_none_of_the_inputs(made, tmp_path):
    for name in ("forest.f6c", "sea.f6c", "forest.txt", "ancestor.f6c"):
        path, before = made / name, (made / name).read_bytes()
        (tmp_path / name).symlink_to(path)
        for output in (path, tmp_path / name):
            with pytest.raises(UserError, match="which is read for it; choose another name for the result"):
                route.main(arguments(made, "forest", "sea", out=output, more=["--against", str(made / "ancestor.f6c")]))
        assert path.read_bytes() == before


def test_who_takes_no_model_of_several_experts(routed):
    with pytest.raises(UserError, match="training goes on from one"):
        read_start(str(routed))
    with pytest.raises(UserError, match="an ensemble takes a network of one"):
        ensemble_score(str(routed), [], str(routed.parent / "sea.txt"))
    with pytest.raises(UserError, match="--weights looks at one"):
        inspect.main([str(routed), "--weights", str(routed.parent / "weights.html")])


# ---- the test that decides


def test_gain():
    same = gain([10.0, 20.0, 30.0], [10.0, 20.0, 30.0])
    assert same["value"] == 0 and not significant(same)
    less = gain([9.0] * 30, [10.0] * 30)
    assert less["value"] == pytest.approx(0.1) and significant(less) and "10.00 % fewer bits" in said(less)
    assert not significant(gain([11.0] * 30, [10.0] * 30))
    assert not significant(gain([1.0], [2.0])), "one document says nothing about others"


def test_only_what_is_scored_by_all_counts(made):
    """A model with another tokenizer scores the same characters."""
    model = read_model(made / "forest.f6c")
    other = tiny_model(vocab=257, copies=True)
    scores = evaluation.score(
        evaluation.join(
            [model, read_model(made / "sea.f6c")], ["a", "b"], ["", ""], np.zeros((router_rows(model.dimensions), 2), np.int8), "x.f6c"
        ),
        [["fox owl oak."], ["ship wave."]],
        {"a": model, "b": read_model(made / "sea.f6c")},
        {"other": other},
    )
    assert scores.characters.tolist() == [12, 10]
    assert scores.bits["routed"] == pytest.approx(scores.bits["a"], rel=1e-5) != pytest.approx(scores.bits["own expert"], rel=1e-5)
    assert scores.bits["other"].shape == (2,) and scores.right == {}, "no document has eight tokens"
