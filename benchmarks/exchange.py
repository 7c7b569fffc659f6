"""What exchange among strangers stands: updates of which some are poisoned (`trust`), and a DHT whose members come and go (`peers`).

    benchmarks/run.sh exchange trust
    benchmarks/run.sh exchange peers

trust   small networks of this trainer learn made-up stories together, each round from updates of 2 bits; the held-out loss beside that of the honest ones alone
peers   a simulation of Kademlia: how many lookups find the newest manifest
"""

import argparse
import bisect
import json
import random
import time
from collections.abc import Sequence
from typing import Callable, Optional

import numpy as np

from fable6c import kernels
from fable6c.cli import ArgumentParser, run
from fable6c.corpus import synth
from fable6c.data.bpe import train_tokenizer
from fable6c.data.windows import batch, window_starts
from fable6c.model.architecture import Dimensions
from fable6c.sharing.combine import PROBE, Losses, clip_to_median, combine
from fable6c.sharing.desk import RENEW_SECONDS
from fable6c.sharing.updates import make_update
from fable6c.training.config import Recipe
from fable6c.training.network import Network
from fable6c.training.optimizer import Optimizer

DIMENSIONS = Dimensions(48, 2, 96, 3, 400, 64, True)
RECIPE = Recipe(batch=8, accumulate=1)
PRIVATE, HELD_OUT = 40, 120  # documents of each private text, and of the text that is scored
RATE, MOMENTUM = 1.0, 0.3  # of the outer step


# ---- trust: honest peers and others


class Text:
    """Made-up stories as tokens: `peers` of them train, and there are two private texts and one that is scored."""

    def __init__(self, peers: int, unequal: bool, characters: int):
        documents = [document.rsplit("\n", 2)[0] for document in synth.documents(7, characters)]
        random.Random(5).shuffle(documents)
        self.tokenizer = train_tokenizer(documents[:400], DIMENSIONS.vocab, False)
        cuts = [PRIVATE, 2 * PRIVATE, 2 * PRIVATE + HELD_OUT]
        self.gate, self.guard, self.held_out = (
            self.tokens(part) for part in (documents[: cuts[0]], documents[cuts[0] : cuts[1]], documents[cuts[1] : cuts[2]])
        )
        own = documents[cuts[2] :]
        if unequal:  # each peer has its own kind of story: sorted by how much in them is speech
            own.sort(key=lambda text: text.count('"') / len(text))
        size = len(own) // peers
        self.shards = [self.tokens(own[i * size : (i + 1) * size]) for i in range(peers)]

    def tokens(self, documents: list[str]) -> np.ndarray:
        end = self.tokenizer.end_of_text
        return np.concatenate([np.append(one, end) for one in self.tokenizer.encode_documents(documents)]).astype(np.uint16)


class Trainer:
    """One network in which everybody trains in turn; each peer has its moments, its place in its text and what rounding owes it."""

    def __init__(self, text: Text, seed: int, steps: int):
        self.text, self.seed, self.steps = text, seed, steps
        self.network = Network(DIMENSIONS, RECIPE.batch, 1.0 / (RECIPE.batch * DIMENSIONS.context))
        self.network.initialize(seed)
        self.start = self.network.parameters.copy()
        self.optimizer = Optimizer(self.network, RECIPE)
        self.losses = Losses(DIMENSIONS)
        self.peers: dict[int, dict] = {}

    def update(self, peer: int, base: np.ndarray, progress: float, share: float) -> np.ndarray:
        """What a peer sends after its steps from `base`: its change in 2 bits, with error feedback."""
        network, optimizer, shard = self.network, self.optimizer, self.text.shards[peer]
        state = self.peers.setdefault(
            peer,
            {"steps": 0, "place": 0, "owed": np.zeros_like(base), "first": np.zeros_like(base), "second": np.zeros_like(optimizer.second)},
        )
        network.parameters[:], optimizer.first[:], optimizer.second[:], optimizer.steps = (
            base,
            state["first"],
            state["second"],
            state["steps"],
        )
        network.quantize_weights()
        for step in range(self.steps):
            starts = window_starts(shard, DIMENSIONS.context, 1000 * self.seed + peer, state["place"] // 1000)
            chosen = [starts[(state["place"] * RECIPE.batch + i) % len(starts)] for i in range(RECIPE.batch)]
            state["place"] += 1
            network.accumulate(*batch(shard, np.array(chosen), DIMENSIONS.context), state["place"])
            optimizer.step(progress + share * step / self.steps)
        state["first"], state["second"], state["steps"] = optimizer.first.copy(), optimizer.second.copy(), optimizer.steps
        meant = network.parameters - base + state["owed"]
        sent = make_update(meant, bytes(32), self.steps).change()
        state["owed"] = meant - sent
        return sent

    def loss(self, tokens: np.ndarray) -> Callable[[np.ndarray], float]:
        return self.losses.of(tokens)


def attacked(
    attack: str, honest: list[np.ndarray], bad: int, base: np.ndarray, spy: Callable[[np.ndarray], float], seed: int
) -> np.ndarray:
    """What each of the `bad` attackers sends, who see all that the honest ones send, and have a text of their kind (`spy`), not the private ones."""
    mean = np.mean(honest, axis=0)
    if attack in ("-10", "-0.5"):
        change = float(attack) * mean
    elif attack == "little":  # Baruch et al. 2019: within the spread of the honest ones, against their mean
        change = mean - 1.5 * np.std(honest, axis=0)
    else:  # turn as many parameters around, threefold, as come through: "adaptive" knows the gate for each update, "insider" all of `combine`
        order, before = np.random.default_rng(seed).permutation(len(mean)), spy(base)
        wanted = 0.55 * float(np.median([before - spy(base + PROBE * one) for one in honest]))

        def turned(share: float) -> np.ndarray:
            lie = mean.copy()
            lie[order[: int(share * len(mean))]] *= -3
            return lie

        def used(lie: np.ndarray) -> bool:
            if attack == "adaptive":
                return before - spy(base + PROBE * clip_to_median([*honest, lie])[-1]) >= wanted
            return len(honest) in combine(base, [*honest, *[lie] * bad], spy, spy).survivors

        low, high = 0.0, 1.0
        for _ in range(5):
            middle = (low + high) / 2
            low, high = (middle, high) if used(turned(middle)) else (low, middle)
        change = turned(low)
    return make_update(change.astype(np.float32), bytes(32), 1).change()


def learn(text: Text, honest: int, bad: int, attack: str, defended: bool, seed: int, rounds: int, steps: int) -> dict:
    """The held-out loss after all rounds, how many honest and bad updates were used of how many, and rounds taken back."""
    trainer = Trainer(text, seed, steps)
    base, velocity = trainer.start.copy(), np.zeros_like(trainer.start)
    gate, guard, spy, score = (trainer.loss(part) for part in (text.gate, text.guard, text.shards[0][: len(text.gate)], text.held_out))
    used, refused, back = [0, 0], [0, 0], 0
    for number in range(rounds):
        changes = [trainer.update(peer, base, number / rounds, 1 / rounds) for peer in range(honest)]
        if bad:
            changes += [attacked(attack, changes, bad, base, spy, seed + number)] * bad

        def step(mean: np.ndarray, velocity: np.ndarray = velocity) -> np.ndarray:
            return RATE * (mean + MOMENTUM * (MOMENTUM * velocity + mean)) / (1 + MOMENTUM)  # Nesterov

        if defended:
            outcome = combine(base, changes, gate, guard, step)
            chosen, back = outcome.survivors, back + (not outcome.kept)
            new = outcome.parameters
        else:
            chosen, new = list(range(len(changes))), base + step(np.mean(changes, axis=0))
        for i in range(len(changes)):
            (used if i in chosen else refused)[i >= honest] += 1
        velocity, base = (new - base if new is not base else np.zeros_like(base)), new.astype(np.float32)
    return {
        "loss": score(base),
        "honest_used": used[0] / (used[0] + refused[0]),
        "bad_used": used[1] / max(1, used[1] + refused[1]),
        "taken_back": back,
    }


def trust(options: argparse.Namespace) -> list[dict]:
    rounds, steps, characters = (2, 2, 400_000) if options.quick else (10, 15, 1_000_000)
    kernels.set_threads(1)
    rows = []
    for unequal in (False, True) if options.data == "both" else (options.data == "unequal",):
        for honest, bad in ((3, 1), (7, 3)) if not options.peers else ((options.peers - options.peers * 3 // 10, options.peers * 3 // 10),):
            text = Text(honest, unequal, characters)
            for seed in range(1, 1 + options.seeds):
                alone: Optional[float] = None
                for attack, defended in (
                    ("none", False),
                    ("none", True),
                    ("-10", True),
                    ("-0.5", False),
                    ("-0.5", True),
                    ("little", True),
                    ("adaptive", True),
                    ("insider", True),
                ):
                    if options.quick and attack not in ("none", "adaptive"):
                        continue
                    started = time.process_time()
                    row = learn(text, honest, 0 if attack == "none" else bad, attack, defended, seed, rounds, steps)
                    alone = row["loss"] if alone is None else alone
                    row = {
                        "data": "unequal" if unequal else "equal", "peers": honest + bad, "bad": bad, "seed": seed, "attack": attack,
                        "combined": "defended" if defended else "mean", **row, "to_honest": row["loss"] / alone - 1,
                        "cpu_seconds": round(time.process_time() - started, 1),
                    }  # fmt: skip
                    rows.append(row)
                    print(
                        f"{row['data']:8} {honest} honest {bad} bad  seed {seed}  {attack:9} {row['combined']:9} {row['loss']:.4f} nats {row['to_honest']:+7.2%}  "
                        f"used: honest {row['honest_used']:4.0%}, bad {row['bad_used']:4.0%}; back {row['taken_back']}  {row['cpu_seconds']} s",
                        flush=True,
                    )
    return rows


# ---- peers: a DHT with churn

BITS, K, BRANCHING = 64, 8, 5  # of the ids here; nodes that keep an item, and that are asked at a time (libtorrent's)
PUT_MINUTES, TICK_MINUTES = RENEW_SECONDS / 60, 5.0


class Dht:
    """Kademlia with members that come and go. A member knows up to K others of each distance, drawn from those online when it came or when it last looked; what it
    stored goes with it. All times in minutes."""

    def __init__(self, count: int, online: float, offline: float, seed: int):
        self.random = random.Random(seed)
        self.ids = sorted(self.random.getrandbits(BITS) for _ in range(count))
        self.online_mean, self.offline_mean = online, offline
        self.alive = [self.random.random() < online / (online + offline) for _ in self.ids]
        self.tables: list[list[list[int]]] = [[] for _ in self.ids]
        self.stored: list[dict[str, tuple[int, float]]] = [{} for _ in self.ids]
        for node, alive in enumerate(self.alive):
            if alive:
                self.join(node)

    def join(self, node: int) -> None:
        self.tables[node], self.stored[node] = [[] for _ in range(BITS)], {}
        for bucket in range(BITS):
            if not self.fill(node, bucket):
                break

    def fill(self, node: int, bucket: int) -> bool:
        """Members that share exactly `bucket` first bits: those that are known and online, and others online. False where none can share so many."""
        own, shift = self.ids[node], BITS - 1 - bucket
        first = ((own >> shift) ^ 1) << shift
        low, high = bisect.bisect_left(self.ids, first), bisect.bisect_left(self.ids, first + (1 << shift))
        known = {other for other in self.tables[node][bucket] if self.alive[other]}
        if high - low <= 4 * K:
            known |= {other for other in range(low, high) if self.alive[other]}
        else:
            for _ in range(3 * K):
                other = self.random.randrange(low, high)
                if len(known) < K and self.alive[other]:
                    known.add(other)
        self.tables[node][bucket] = self.random.sample(sorted(known), min(K, len(known)))
        around = 1 << (shift + 1)
        return bisect.bisect_left(self.ids, (own // around + 1) * around) - bisect.bisect_left(self.ids, own // around * around) > 1

    def churn(self, minutes: float, refresh: float) -> None:
        """Let time pass: members go and come; each bucket is looked at again with the chance `refresh`."""
        for node in range(len(self.ids)):
            mean = self.online_mean if self.alive[node] else self.offline_mean
            if self.random.random() < 1 - np.exp(-minutes / mean):
                self.alive[node] = not self.alive[node]
                if self.alive[node]:
                    self.join(node)
            elif self.alive[node]:
                for bucket in range(len(self.tables[node])):
                    if self.tables[node][bucket] and self.random.random() < refresh:
                        self.fill(node, bucket)

    def closest(self, node: int, target: int) -> list[int]:
        known = [other for bucket in self.tables[node] for other in bucket]
        return sorted(known, key=lambda other: self.ids[other] ^ target)[:K]

    def lookup(self, node: int, target: int) -> tuple[list[int], int]:
        """The K closest that answer, found step by step, and how many were asked."""
        seen, asked, answered = set(self.closest(node, target)), set(), []
        while True:
            order = sorted(seen, key=lambda other: self.ids[other] ^ target)
            best = [other for other in order if other not in asked or self.alive[other]][:K]
            next_ones = [other for other in best if other not in asked][:BRANCHING]
            if not next_ones:
                return [other for other in best if other in answered], len(asked)
            for other in next_ones:
                asked.add(other)
                if self.alive[other]:
                    answered.append(other)
                    seen |= set(self.closest(other, target))


def simulate(count: int, online: float, keepers: int, publisher_lives: bool, hours: int, seed: int, lookups: int) -> dict:
    """keepers: followers that put what they have again, besides the publisher; each when it is online. Every 6 hours there is a newer manifest."""
    dht = Dht(count, online, online, seed)
    draw = random.Random(seed + 1)
    target = draw.getrandbits(BITS)
    followers = draw.sample(range(count), keepers)
    sequence, found, wrong, none, asked = 0, 0, 0, 0, []
    have: dict[int, int] = {}

    def put(node: int, number: int, now: float) -> None:
        for other in dht.lookup(node, target)[0]:
            if number >= dht.stored[other].get("item", (0, 0))[0]:
                dht.stored[other]["item"] = (number, now)

    def get(node: int, now: float) -> int:
        nodes, count = dht.lookup(node, target)
        asked.append(count)
        return max(
            [dht.stored[other]["item"][0] for other in nodes if "item" in dht.stored[other] and now - dht.stored[other]["item"][1] <= 120]
            or [0]
        )

    publisher = next(node for node in range(count) if dht.alive[node])
    minutes = 0.0
    while minutes < 60 * hours:
        if minutes % 360 == 0 and (publisher_lives or minutes == 0):
            sequence += 1
        if minutes % PUT_MINUTES == 0:
            if publisher_lives or minutes < 60:
                dht.alive[publisher] = True
                put(publisher, sequence, minutes)
            for node in followers:
                if dht.alive[node]:
                    have[node] = max(have.get(node, 0), get(node, minutes))
                    if have[node]:
                        put(node, have[node], minutes)
        dht.churn(TICK_MINUTES, 0.3 * TICK_MINUTES / 10)
        minutes += TICK_MINUTES
        if minutes < 60:
            continue
        online_now = [node for node in range(count) if dht.alive[node]]
        for _ in range(lookups):
            number = get(draw.choice(online_now), minutes)
            found, wrong, none = found + (number == sequence), wrong + (0 < number < sequence), none + (number == 0)
    total = found + wrong + none
    return {"peers": count, "online_minutes": online, "keepers": keepers, "publisher": publisher_lives, "lookups": total, "newest": found / total,
            "older": wrong / total, "nothing": none / total, "asked": sum(asked) / len(asked)}  # fmt: skip


def peers(options: argparse.Namespace) -> list[dict]:
    rows = []
    for count in (200,) if options.quick else (1000, 5000):
        for online, keepers, lives in ((60.0, 0, True), (30.0, 0, True), (30.0, 20, True), (60.0, 0, False), (60.0, 20, False)):
            for seed in range(1, 1 + options.seeds):
                started = time.process_time()
                row = simulate(count, online, keepers, lives, 2 if options.quick else 8, seed, 5 if options.quick else 20)
                rows.append({**row, "seed": seed, "cpu_seconds": round(time.process_time() - started, 1)})
                print(
                    f"{count} peers, online {online:g} min on average, publisher {'lives' if lives else 'dies after an hour'}, {keepers} followers put it again, "
                    f"seed {seed}: {row['newest']:.2%} of {row['lookups']} lookups find the newest, {row['older']:.2%} an older one, {row['nothing']:.2%} "
                    f"nothing; {row['asked']:.0f} asked  {rows[-1]['cpu_seconds']} s",
                    flush=True,
                )
    return rows


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "benchmarks/run.sh exchange",
        "What exchange among strangers stands: poisoned updates (trust), and a DHT whose members come and go (peers). benchmarks/METHOD.md says how.",
        "benchmarks/run.sh exchange peers",
    )
    parser.add_argument("what", choices=("trust", "peers"))
    parser.add_argument("--quick", action="store_true", help="see in seconds that everything works; the figures mean nothing")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="so many seeds (default: 1)")
    parser.add_argument(
        "--data",
        choices=("both", "equal", "unequal"),
        default="both",
        help="trust: whether peers have the same kind of text (default: both)",
    )
    parser.add_argument("--peers", type=int, choices=(4, 10), help="trust: only with so many (default: both)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE too")
    options = parser.parse_args(argv)
    rows = trust(options) if options.what == "trust" else peers(options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    run(main)
