"""Train on several machines that trust each other: python -m fable6c.cluster. docs/cluster.md says how; the work is fable6c/training/."""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.cluster")  # as a file, its folder would hide modules of Python's own

import argparse
import ipaddress
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Optional

from fable6c import __version__, kernels, machines
from fable6c.cli import ArgumentParser, print_next, run, whole
from fable6c.corpus.database import is_database
from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_write, locked, make_folder
from fable6c.limits import processors
from fable6c.training.cluster import RayEngine
from fable6c.training.config import load_config, presets
from fable6c.training.loop import train
from fable6c.training.memory import check_memory
from fable6c.training.network import check_counts
from fable6c.training.rounds import Coordinator
from fable6c.training.run import Run, check_same_command, load_run
from fable6c.training.signals import StopSignal
from fable6c.training.source import text_dataset

PORT = 6379
ATTEMPTS = 5  # to start Ray
STORE_BYTES = 200_000_000  # that Ray's shared memory takes at least


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.cluster",
        "Train one model on several machines that trust each other: whoever has the cluster's token can run any program on all of them.",
        "python -m fable6c.cluster head --bind 192.168.1.10",
    )
    commands = parser.subcommands("head|join|up|status|stop")
    head = commands.add_parser(
        "head",
        help="make this machine the first of a cluster",
        purpose="Make this machine the first of a cluster, until Ctrl-C or `stop`. The others join it.",
        example="python -m fable6c.cluster head --bind 192.168.1.10",
    )
    _add_machine(head)
    join = commands.add_parser(
        "join",
        help="add this machine to a cluster",
        purpose="Add this machine to a cluster, until Ctrl-C or `stop`. Copy the token of the first machine into this one's folder before.",
        example=f"python -m fable6c.cluster join 192.168.1.10:{PORT} --bind 192.168.1.11",
    )
    _add_head(join)
    _add_machine(join)
    up = commands.add_parser(
        "up",
        help="train on all machines of the cluster",
        purpose="Train on all machines of the cluster, from one of them. The same command goes on after an interruption, with whatever machines are there then.",
        example=f"python -m fable6c.cluster up 192.168.1.10:{PORT} --preset small --corpus stories.txt --tokens 50000000 --out runs/small",
    )
    _add_head(up)
    up.add_argument("--tokens", type=whole(1, 10**15), required=True, metavar="N", help="budget in tokens, of all machines together")
    up.add_argument(
        "--corpus", nargs="+", action="extend", default=[], metavar="PATH", help="text as for fable6c.train; only this machine needs it"
    )
    up.add_argument("--preset", default="micro", help=f"one of {', '.join(presets())} (default micro)")
    up.add_argument("--config", default="", metavar="FILE", help="TOML with [model] and [train] keys to lay over the preset")
    up.add_argument("--out", default="", metavar="DIR", help="the run's folder (default runs/PRESET)")
    up.add_argument("--seed", type=whole(0, 2**32 - 1), default=1, help="of the first weights and the order of the text (default 1)")
    up.add_argument(
        "--local-steps", type=whole(1, 10_000), default=30, metavar="H", help="steps of each worker between two exchanges (default 30)"
    )
    up.add_argument("--workers", type=whole(1, 256), default=1, metavar="N", help="workers on each machine (default 1)")
    up.add_argument("--threads", type=whole(1, 256), default=2, metavar="N", help="threads of each worker (default 2)")
    up.add_argument(
        "--deadline",
        type=whole(1, 86_400),
        metavar="SECONDS",
        help="time that the others have for a round once half of the workers are done (default: twice what that half took, at least 30)",
    )
    _add_folder(up)
    status = commands.add_parser(
        "status",
        help="list the machines of a cluster",
        purpose="List the machines of the cluster that this machine belongs to.",
        example=f"python -m fable6c.cluster status 192.168.1.10:{PORT}",
    )
    _add_head(status)
    _add_folder(status)
    stop = commands.add_parser(
        "stop",
        help="take this machine out of its cluster",
        purpose="Take this machine out of its cluster: end its `head` or `join`.",
        example="python -m fable6c.cluster stop",
    )
    _add_folder(stop)
    options = parser.parse_args(argv)
    options.named, options.folder = options.folder, os.path.expanduser(options.folder)
    {"head": _head, "join": _join, "up": _up, "status": _status, "stop": _stop}[options.command](options)


def _add_head(parser: ArgumentParser) -> None:
    parser.add_argument("head", metavar="HOST:PORT", help="the first machine, as its `head` printed it")


def _add_folder(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        default=machines.FOLDER,
        metavar="DIR",
        help=f"what this machine keeps of the cluster, the token above all (default {machines.FOLDER})",
    )


def _add_machine(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--bind", required=True, metavar="ADDRESS", help="this machine's own address in the network in which the others reach it"
    )
    parser.add_argument(
        "--port",
        type=whole(1024, 65535 - machines.LAST_PORT),
        default=PORT,
        help=f"the first of the {machines.LAST_PORT + 1} ports that Ray uses on this machine (default {PORT})",
    )
    parser.add_argument(
        "--cpus", type=whole(0, 4096), default=processors(), metavar="N", help="processors to give (default: all); 0: only look on"
    )
    _add_folder(parser)


def _address(text: str) -> str:
    """An address of this machine as a person named it. UsageError for a name, or an address for all interfaces."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(f"--bind {text}: give this machine's address in numbers, as in 192.168.1.10") from None
    if address.is_unspecified or address.is_multicast:
        raise UsageError(f"--bind {text}: that is no machine's own address; name the one in the network of the other machines")
    machines.not_local(text, f"--bind {text}")
    return text


def _target(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{text}: give the first machine as HOST:PORT, as in 192.168.1.10:{PORT}")
    machines.not_local(host, text)
    return text


def _head(options: argparse.Namespace) -> None:
    address = f"{_address(options.bind)}:{options.port}"
    machines.require_ray()
    machines.make_token(options.folder)
    arguments = ["--head", "--port", str(options.port), "--include-dashboard", "false"]
    print(f"on each other machine: copy {os.path.join(options.named, machines.TOKEN)} into its folder {machines.FOLDER}, then there")
    print(f"  python -m fable6c.cluster join {address} --bind ITS-ADDRESS")
    print(
        "whoever has that file can run any program here and there; keep it secret, and these ports out of the internet (docs/cluster.md)",
        flush=True,
    )
    _serve(options, arguments, f"the cluster is up at {address}")


def _join(options: argparse.Namespace) -> None:
    target = _target(options.head)
    _address(options.bind)
    machines.require_ray()
    machines.check_token(options.folder)
    _serve(options, ["--address", target], f"this machine is in the cluster of {target}")


def _serve(options: argparse.Namespace, arguments: Sequence[str], ready: str) -> None:
    """Run Ray on this machine until somebody ends it, or it ends."""
    machines.use_token(os.path.join(options.folder, machines.TOKEN))
    arguments = [
        *arguments,
        *machines.port_options(options.port),
        "--node-ip-address",
        options.bind,
        "--num-cpus",
        str(options.cpus),
        "--object-store-memory",
        str(STORE_BYTES),
    ]
    with locked(options.folder, "machine of a cluster", "--folder"), StopSignal(b"") as stop:
        atomic_write(os.path.join(options.folder, machines.PROCESS), str(os.getpid()).encode())
        atomic_write(os.path.join(options.folder, machines.ADDRESS), options.bind.encode())
        if not machines.listener():
            print(
                "Ray listens at its ports on all interfaces here, because fable6c was built without _listen.c: let a firewall keep others away"
            )
        process = machines.start_ray(options.folder, options.bind, arguments)
        try:
            began, attempts, up = time.monotonic(), 1, False
            while not stop.number:
                ended = process.poll() is not None
                if ended and not up and attempts < ATTEMPTS and machines.too_slow(options.folder):
                    print("Ray's processes were too slow to start on this busy machine; once more", flush=True)
                    machines.end(process)
                    process, attempts = machines.start_ray(options.folder, options.bind, arguments), attempts + 1
                elif ended:
                    raise UserError(f"Ray has ended on this machine ({machines.why(options.folder)}); the same command starts it again")
                elif not up and machines.started(options.folder):
                    print(f"{ready}; Ctrl-C ends it", flush=True)
                    up = True
                elif not up and time.monotonic() > began + ATTEMPTS * machines.START_SECONDS:
                    raise UserError(
                        f"Ray has not started within {ATTEMPTS * machines.START_SECONDS} s; see {os.path.join(options.folder, machines.LOG)}"
                    )
                time.sleep(0.2)
        finally:
            machines.end(process)
            for name in (machines.ADDRESS, machines.PROCESS):
                os.remove(os.path.join(options.folder, name))
    print("this machine has left the cluster")


def _status(options: argparse.Namespace) -> None:
    machines.require_ray()
    token = machines.check_token(options.folder)
    machines.listen_here(options.folder)
    machines.use_token(token)
    with machines.connected(_target(options.head)) as ray:
        nodes = sorted(ray.nodes(), key=lambda node: (not node["Alive"], node["NodeManagerAddress"]))
        for node in nodes:
            cpus = int(node["Resources"].get("CPU", 0))
            state = f"{cpus} processor{'s' * (cpus != 1)}" if node["Alive"] else "gone"
            print(f"{node['NodeManagerAddress']}  {node['NodeManagerHostname']}  {state}")


def _stop(options: argparse.Namespace) -> None:
    path = os.path.join(options.folder, machines.PROCESS)
    try:
        with open(path, encoding="ascii") as file:
            number = int(file.read())
        with locked(options.folder):
            pass
        found = False  # nobody holds the folder: what is noted there is of a process that was killed
    except FileNotFoundError:
        found = False
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot be read; remove it") from None
    except UserError:
        found = True
    if not found:
        raise UserError(f"{options.folder}: no `head` or `join` is running with this folder")
    os.kill(number, signal.SIGTERM)
    while os.path.exists(path):
        time.sleep(0.1)
    print("this machine has left the cluster")


def _up(options: argparse.Namespace) -> None:
    target = _target(options.head)
    machines.require_ray()
    token = machines.check_token(options.folder)
    for path in options.corpus:
        if is_database(path):
            raise UsageError(f"--corpus {path}: a cluster trains on text; write out its text first (python -m fable6c.corpus db export)")
    machines.listen_here(options.folder)
    folder = options.out or os.path.join("runs", options.preset)
    config = load_config(options.preset, options.config)
    machines.watch(
        f"{target}: the cluster is gone; {folder} has the run up to its last round: start `head` there and `join` elsewhere again, then the same "
        "command goes on"
    )
    check_counts(config.model, config.train.batch)
    check_memory(config, None)
    command = {
        "preset": options.preset, **config.as_dict(), "minutes": None, "tokens": options.tokens, "seed": options.seed,
        "cluster": {"local_steps": options.local_steps},
    }  # fmt: skip
    kernels.set_threads(min(2, processors()))
    make_folder(folder)
    with locked(folder):
        saved = load_run(folder)
        if saved:
            check_same_command(folder, saved[0]["command"], command)
        machines.use_token(token)
        with machines.connected(target):
            dataset = text_dataset(config, options.corpus, folder, 2, saved[0] if saved else None, each=machines.each)
            one = Run(config, dataset, folder, command)
            print(
                f"fable6c {__version__}, preset {options.preset}, {one.steps_budget:,} steps of {one.tokens_per_step:,} tokens", flush=True
            )
            engine = RayEngine(config, dataset, command, options.threads, options.workers, lambda line: print(line, flush=True))
            coordinator = Coordinator(one, engine, options.local_steps, options.deadline, engine.say)
            if saved:
                coordinator.restore(folder, *saved)
            else:
                one.network.initialize(options.seed)
            if one.finished:
                print(f"{folder}: this run is finished; for another one, choose another folder with --out")
                print_next("export", folder, "-o", "model.f6c")
                return
            print(f"{'going on from' if saved else 'starting at'} round {coordinator.round + 1:,} in {folder}", flush=True)
            stopped = train(one, 0.0, coordinator.one_round)
    sent = f"{coordinator.bytes_up:,} bytes of updates came in, {coordinator.bytes_down:,} bytes went out"
    if stopped:
        print(f"stopped after round {coordinator.round:,}, saved in {folder}; {sent}; the same command goes on", file=sys.stderr)
        sys.exit(128 + stopped)
    print(f"finished: {folder}, after {coordinator.round:,} rounds; {sent}")
    print_next("export", folder, "-o", "model.f6c")


if __name__ == "__main__":
    run(main)
