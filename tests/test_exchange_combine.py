"""fable6c/sharing/combine.py: each defence against a sender who lies, on a loss that is known."""

import numpy as np
import pytest

from fable6c.sharing.combine import clip_to_median, combine, helping, passing, trimmed_mean

GOAL = np.linspace(-1, 1, 50, dtype=np.float32)
BASE = np.zeros(50, np.float32)


def loss(parameters):
    return float(((parameters - GOAL) ** 2).sum())


def honest(count, seed=1):
    noise = np.random.default_rng(seed).normal(0, 0.02, (count, 50)).astype(np.float32)
    return [0.3 * GOAL + one for one in noise]


def test_clipping_and_trimming():
    clipped = clip_to_median([np.full(4, size, np.float32) for size in (1, 2, 50, np.inf)])
    assert [float(change[0]) for change in clipped] == pytest.approx([1, 2, 2, 0])
    assert clip_to_median([BASE, BASE])[1].tolist() == BASE.tolist()
    five = [np.array([value, 0], np.float32) for value in (1, 2, 3, 4, 100)]
    assert trimmed_mean(five).tolist() == [3, 0] and trimmed_mean(five[:4]).tolist() == [2.5, 0]


def test_honest_updates_are_all_used():
    outcome = combine(BASE, honest(4), loss, loss)
    assert outcome.kept and outcome.survivors == [0, 1, 2, 3] and outcome.after < outcome.before
    assert outcome.parameters == pytest.approx(0.3 * GOAL, abs=0.05)


@pytest.mark.parametrize("bad", [-10.0, -0.5, np.nan, 0.1])
def test_three_of_ten_lie(bad):
    """Turned around, turned around and small, not finite, or hardly of use: the step is that of the honest ones."""
    lies = [np.float32(bad) * 0.3 * GOAL] * 3
    alone, among = combine(BASE, honest(7), loss, loss), combine(BASE, [*lies, *honest(7)], loss, loss)
    assert among.survivors == list(range(3, 10)) and among.kept
    assert loss(among.parameters) == pytest.approx(loss(alone.parameters), rel=0.01)


def test_a_step_that_makes_it_worse_is_taken_back():
    outcome = combine(BASE, honest(4), loss, lambda parameters: float((parameters**2).sum()))
    assert not outcome.kept and outcome.parameters is BASE and outcome.survivors and outcome.after > outcome.before
    outcome = combine(BASE, [-change for change in honest(4)], loss, loss)
    assert not outcome.kept and outcome.parameters is BASE
    assert not combine(BASE, honest(4), loss, lambda parameters: float("nan") if parameters.any() else 1.0).kept
    assert not combine(BASE, [], loss, loss).kept


def test_who_passes():
    assert passing([1.0, 1.1, 0.9, -0.5]) == [0, 1, 2]
    assert passing([0.01, -0.02, 0.02, 0.0, -1.0]) == [0, 1, 2, 3]  # late, when a step by itself brings nothing
    assert passing([-np.inf, 1.0, 1.0]) == [1, 2] and passing([-np.inf] * 3) == [] == passing([])


def test_who_passes_alone_and_harms_the_step_is_left_out():
    """In a tenth of its numbers it turns around what the others learn: alone that is a gain, beside them it is none. Two such of ten are left to trimming."""
    lie = 0.3 * GOAL
    lie[::10] *= -0.8
    changes = [*honest(6), *[lie] * 4]
    assert passing([loss(BASE) - loss(BASE + 0.5 * change) for change in changes]) == list(range(10))
    used = helping(BASE, changes, range(10), loss, loss(BASE))
    assert used[:6] == list(range(6)) and len(used) == 8
    outcome = combine(BASE, changes, loss, loss)
    assert outcome.survivors == used
    assert loss(outcome.parameters) == pytest.approx(loss(combine(BASE, honest(6), loss, loss).parameters), rel=0.02)
    # Most of all updates stay, whatever the private text says; of two both.
    assert len(helping(BASE, [*honest(2), *[10 * lie] * 3], range(5), loss, loss(BASE))) >= 3
    assert helping(BASE, [honest(1)[0], -lie], [0, 1], loss, loss(BASE)) == [0, 1] and helping(BASE, [], [], loss, loss(BASE)) == []


def test_chance_leaves_nobody_out():
    assert helping(BASE, honest(10), range(10), loss, loss(BASE)) == list(range(10))


def test_the_step_may_be_the_callers():
    outcome = combine(BASE, honest(4), loss, loss, lambda mean: 2 * mean)
    assert outcome.parameters == pytest.approx(0.6 * GOAL, abs=0.1)
