"""Instructions from story text: each header says what its story has."""

import collections

import pytest

from fable6c.corpus import instruct, synth
from fable6c.corpus.__main__ import main
from fable6c.data.text import read_documents
from fable6c.errors import UserError
from fable6c.model.asking import FIELDS, HEADING, VALUES, split_header, words_missing

pytest.importorskip("vaderSentiment", reason="vaderSentiment is not installed: pip install vaderSentiment")

STORY = (
    "Once there was a girl named Mia. Mia had a spoon. One day Mia's dog Rex found a dragon.\n"
    '"Come here, Rex!" said Mia. The dragons laughed and Mom baked cakes. They were all very happy and loved each other.'
)


@pytest.fixture(scope="module")
def stories():
    return [text for text, _ in zip(synth.stories(5), range(400))]


@pytest.fixture(scope="module")
def survey(stories):
    return instruct.Survey([*stories, *[STORY] * 6])


@pytest.fixture(scope="module")
def judge():
    return instruct.mood_judge()


def once(told, judge):
    """Without the second copy of each story that ends sadly."""
    left = iter(told)
    return [story for story in left if instruct.mood(story, judge) != "sad" or next(left) == story]


def test_every_field_is_true_of_its_story(stories, survey, judge):
    headed = [split_header(text) for text in instruct.instructed(lambda: [*stories, *[STORY] * 6], share=1.0)]
    assert once([story for _, story in headed], judge) == [*stories, *[STORY] * 6], "the stories are as they were, in their order"
    counts = collections.Counter(name for fields, _ in headed for name in fields)
    assert set(counts) == set(FIELDS) and all(fields for fields, _ in headed)
    for fields, story in headed:
        words = fields["Words"].split(", ") if "Words" in fields else []
        assert len(words) <= 3 and len(set(words)) == len(words) and not words_missing(words, story)
        assert not set(words) & instruct.COMMON
        assert story.count(fields.get("Name", "")) > 1
        assert fields.get("Mood") in (None, instruct.mood(story, judge))
        assert fields.get("Talk") in (None, "yes" if '"' in story else "no")
        assert "Length" not in fields or instruct.has_length(story, fields["Length"])
        assert story.startswith(fields.get("Begins", ""))
        assert all(fields.get(name) in (None, *values) for name, values in VALUES.items())


def test_what_a_story_has(survey, judge):
    class First:
        random, choice, choices = (lambda self: 0.0), (lambda self, values: values[0]), (lambda self, values, weights: values[:1])

    fields = instruct.fields_of(STORY, survey, judge, First())
    assert fields == {
        "Words": "girl, spoon, dog", "Name": "Mia", "Mood": "happy", "Talk": "yes", "Length": "short", "Begins": "Once there was a girl named Mia.",
    }  # fmt: skip
    assert set(instruct.content_words(STORY, survey)) >= {"dragon", "laugh", "cake"}, "in their base form"
    assert {"Mia", "Rex"} <= survey.names and not {"Mom", "Once", "The", "They"} & survey.names


@pytest.mark.parametrize(
    "ending, felt",
    [
        ("They laughed and were so happy and loved.", "happy"),
        ("The poor dog died and she cried, so sad and alone.", "sad"),
        ("The door was green.", None),
    ],
)
def test_how_a_story_ends(judge, ending, felt):
    assert instruct.mood("It was a horrible, awful, terrible day. A. B. " + ending, judge) == felt


def test_the_seed_and_the_text_decide_not_the_place(stories):
    first = list(instruct.instructed(lambda: stories))
    assert list(instruct.instructed(lambda: stories)) == first
    assert sorted(instruct.instructed(lambda: stories[::-1])) == sorted(first)
    assert list(instruct.instructed(lambda: stories, seed=2)) != first
    headed = sum(text.startswith(HEADING) for text in first)
    assert 0.6 < headed / len(first) < 0.8
    assert list(instruct.instructed(lambda: stories, share=0.0)) == stories


def test_sad_ends_are_asked_for_as_often_as_happy_ones(stories, judge):
    headers = [split_header(text) for text in instruct.instructed(lambda: stories)]
    sad = [fields for fields, story in headers if instruct.mood(story, judge) == "sad"]
    assert len(sad) == 2 * sum(instruct.mood(story, judge) == "sad" for story in stories) > 0
    assert all(fields.get("Mood") == "sad" for fields in sad if fields) and sum(bool(fields) for fields in sad) > len(sad) / 2
    happy = [fields for fields, story in headers if fields and instruct.mood(story, judge) == "happy"]
    assert 0.2 < sum("Mood" in fields for fields in happy) / len(happy) < 0.4


def test_rarer_words_are_likelier(stories, survey, judge):
    drawn = [
        word for text in instruct.instructed(lambda: stories, 1.0) for word in split_header(text)[0].get("Words", "").split(", ") if word
    ]
    there = [word for story in stories for word in instruct.content_words(story, survey)]
    mean = [sum(survey.documents[word] for word in words) / len(words) for words in (drawn, there)]
    assert mean[0] < 0.8 * mean[1]


def test_the_command_writes_what_train_reads(tmp_path, capsys, stories):
    (tmp_path / "in.txt").write_text("\n<|endoftext|>\n".join(stories))
    main(["instruct", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.txt"), "--seed", "3"])
    documents = list(read_documents([str(tmp_path / "out.txt")]))
    headed = sum(document.startswith(HEADING) for document in documents)
    assert capsys.readouterr().out == f"{tmp_path}/out.txt: {len(documents)} stories, {headed} of them with a header\n"
    assert once([split_header(document)[1] for document in documents], instruct.mood_judge()) == stories


def test_mistakes_are_one_line_and_leave_no_file(tmp_path, monkeypatch, stories):
    out = tmp_path / "out.txt"
    (tmp_path / "twice.txt").write_text("\x01Mood: sad\n\x02Once.\n<|endoftext|>\nTwice.")
    with pytest.raises(UserError, match=r"a document has the byte .* with which headers begin and end .*; give text without headers"):
        main(["instruct", str(tmp_path / "twice.txt"), "-o", str(out)])
    with pytest.raises(UserError, match="there is no such file"):
        main(["instruct", str(tmp_path / "none.txt"), "-o", str(out)])
    with pytest.raises(UserError, match="--share"):
        main(["instruct", str(tmp_path / "twice.txt"), "-o", str(out), "--share", "2"])
    monkeypatch.setitem(__import__("sys").modules, "vaderSentiment.vaderSentiment", None)
    (tmp_path / "in.txt").write_text("Once.")
    with pytest.raises(
        UserError, match=r"vaderSentiment is not installed, which judges how a story ends; run: pip install 'fable6c\[corpus\]'"
    ):
        main(["instruct", str(tmp_path / "in.txt"), "-o", str(out)])
    assert not out.exists()
