"""Folders of training runs that no training made, and trainings that take little time."""

import json
import os
import struct

import numpy as np

from fable6c.model.architecture import Dimensions
from fable6c.model.tokenizer import Tokenizer
from fable6c.training import checkpoint, loop, run
from fable6c.training.config import load_config
from fable6c.training.network import Network

DIMENSIONS = Dimensions(17, 2, 25, 4, 300, 40, True)


def make_run(folder, minutes=None, bits_per_char=1.23456, edit=lambda network: None):
    """The folder of a run, made by hand: a checkpoint of random parameters. Returns its network."""
    config = load_config("micro")
    network = Network(DIMENSIONS, 1, 1.0)
    network.initialize(5)
    edit(network)
    network.quantize_weights()
    merges = np.array([(97 + j % 26, 97 + j // 26) for j in range(DIMENSIONS.vocab - 257)], np.uint16)
    command = {
        "preset": "micro", "model": dict(vars(DIMENSIONS)), "train": config.as_dict()["train"], "minutes": minutes,
        "tokens": None if minutes else 100, "seed": 7,
    }  # fmt: skip
    description = {
        "command": command, "step": 30, "elapsed": 125.0, "tokenizer": Tokenizer(merges).to_bytes().hex(), "corpus": "stories.txt",
        "text_sha256": "ab" * 32, "bits_per_char": bits_per_char, "finished": True, "epoch": 0, "window": 0, "optimizer_steps": 30, "source": "",
    }  # fmt: skip
    os.makedirs(folder)
    second = sum(spec.size for spec in network.specs.values() if spec.row.group != "matrix")
    arrays = {"parameters": network.parameters, "first": np.zeros_like(network.parameters), "second": np.zeros(second, np.float32)}
    checkpoint.save(str(folder), description, arrays)
    return network


def rewritten(folder, change):
    """The run's checkpoint with `change` applied to its head, and a right checksum."""
    path = folder / checkpoint.NAME
    data = path.read_bytes()
    size = struct.unpack_from("<Q", data, 8)[0]
    head, arrays = json.loads(data[16 : 16 + size]), {}
    at = 16 + size
    for entry in head["arrays"]:
        count = int(np.prod(entry["shape"]))
        arrays[entry["name"]] = np.frombuffer(data, "<f4", count, at).copy()
        at += 4 * count
    description = head["description"]
    change(description, arrays)
    os.remove(path)
    checkpoint.save(str(folder), description, arrays)


def quicken(patch):
    """Trainings with one check, short samples and no plot."""
    patch.setattr(loop, "CHECKS", 1)
    patch.setattr(run, "SAMPLE_TOKENS", 4)
    patch.setattr(loop, "draw_loss", lambda folder: None)
