"""fable6c.corpus questions: what the rules ask, what they leave alone, and the text with questions."""

import pytest

from fable6c.corpus.__main__ import main
from fable6c.corpus.instruct import Survey, draw_for
from fable6c.corpus.questions import Rules, with_questions
from fable6c.data.text import read_documents
from fable6c.errors import UserError
from scout_stories import stories

STORY = 'One day, Tom found a shiny key in the garden. He was happy.\nLily said, "I see it." Then, Tom and Lily walked to the park.'


@pytest.fixture(scope="module")
def rules():
    verbs = ["He will walk.", "They walk home and walk back.", "Once there was Tom. One saw Lily."]
    return Rules(Survey([*stories(50), *verbs * 9]))


def asked(rules, sentence):
    return [(question.text, question.answer) for question in rules.questions(sentence)]


def test_who_what_and_where_of_a_sentence(rules):
    assert asked(rules, "One day, Tom found a shiny key in the garden.") == [
        ("Who found a shiny key in the garden?", "Tom"),
        ("What did Tom find in the garden?", "a shiny key"),
        ("Where did Tom find a shiny key?", "in the garden"),
    ]
    assert asked(rules, "Tom and Lily walked to the big park and played.") == [
        ("Who walked to the big park?", "Tom and Lily"),
        ("Where did Tom and Lily walk?", "to the big park"),
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "He found a key in the garden.",  # who?
        "Tom found it in the garden.",  # what?
        'Tom said, "I found a key."',
        "Tom said that a key was lost.",
        "Tom found a key?",
        "The key was found by Tom.",
        "Tom ran.",
        "",
    ],
)
def test_what_is_not_plain_is_left_alone(rules, sentence):
    assert asked(rules, sentence) == []


def test_no_place_is_a_time_or_a_person(rules):
    for sentence in ("Tom found a key in the morning.", "Tom gave a key to the girl."):
        assert not [question for question, _ in asked(rules, sentence) if question.startswith("Where")]


def test_questions_stand_behind_their_line(rules):
    text, count = with_questions(STORY, rules, 1.0, draw_for(STORY, 1))
    lines = text.split("\n")
    assert count == 2 and [line for line in lines if "?" not in line] == STORY.split("\n")
    assert "key" in lines[1] and "? W" in lines[1] and "walk" in lines[3]
    text, count = with_questions(STORY, rules, 1.0, draw_for(STORY, 1), frozenset(["One day, Tom found a shiny key in the garden."]))
    assert count == 1 and text.startswith(STORY)


def test_the_command(tmp_path, capsys):
    (tmp_path / "in.txt").write_text("\n<|endoftext|>\n".join([*stories(20), STORY]))
    main(["questions", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.txt"), "--share", "1"])
    documents = list(read_documents([str(tmp_path / "out.txt")]))
    count = sum("? Who: " in line or "? What: " in line or "? Where: " in line for document in documents for line in document.split("\n"))
    assert len(documents) == 21 and count > 10
    assert capsys.readouterr().out == f"{tmp_path}/out.txt: 21 stories with {count} questions\n"
    with pytest.raises(UserError, match="there is no such file"):
        main(["questions", str(tmp_path / "none.txt"), "-o", str(tmp_path / "no.txt")])
    assert not (tmp_path / "no.txt").exists()
