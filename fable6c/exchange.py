"""Models, updates and text exchanged with strangers, whom nobody need trust.

python -m fable6c.exchange key my.key
python -m fable6c.exchange publish small.f6c --key my.key --name small --licence MIT
python -m fable6c.exchange serve --http 0.0.0.0:8000 --up 500
python -m fable6c.exchange fetch KEY/small --from http://HOST:8000
python -m fable6c.exchange check small-1.f6c --text mine.txt

docs/exchange.md explains all of it.
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.exchange")  # as a file, its folder would hide modules of Python's own

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads; see fable6c/evaluate.py

import argparse
import dataclasses
import ipaddress
import json
import re
import time
from collections.abc import Sequence
from typing import Any, Optional

from fable6c.cli import ArgumentParser, memory_size, print_next, run, whole
from fable6c.errors import UsageError, UserError
from fable6c.files import existing_file
from fable6c.model.file import write_model
from fable6c.sharing import desk, trust
from fable6c.sharing.combine import combine_files, make_update_of_run
from fable6c.sharing.dht import Address
from fable6c.sharing.shelf import Shelf, parse_pointer
from fable6c.sharing.updates import write_update
from fable6c.training.start import read_start

PROG = "python -m fable6c.exchange"
FOLDER = os.path.join("runs", "exchange")


def address(text: str) -> Address:
    """ADDRESS:PORT, the address in digits."""
    found = re.fullmatch(r"(?:([0-9.]+)|\[([0-9a-fA-F:.]+)\]):([0-9]{1,5})", text)
    try:
        if not found:
            raise ValueError
        host, port = found.group(1) or found.group(2), int(found.group(3))
        ipaddress.ip_address(host)
        if port > 65535:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give an address in digits and a port, such as 192.168.1.7:8000 or [::1]:8000"
        ) from None
    return host, port


def key(o: argparse.Namespace) -> None:
    public, made = desk.key_of(o.file)
    print(f"{o.file}: {'a new secret key; keep a copy where only you can read it' if made else 'the public key is'}")
    print(public)


def publish(o: argparse.Namespace) -> None:
    shelf = Shelf(o.folder)
    manifest = desk.publish(
        shelf, o.file, o.key, o.name, o.licence, about=o.about, parent=o.parent, run=o.run, days=o.days, successor=o.successor
    )
    print(f"{manifest.key}/{manifest.name}")
    print(f"number {manifest.sequence}: {manifest.size:,} bytes, sha256 {manifest.sha256}, expires in {o.days} days")
    if manifest.successor:
        print(f"from the next number on, {manifest.successor} signs this series")
    print_next("exchange", "serve", "--http", "ADDRESS:PORT", "--up", "KIB", "--folder", o.folder)


def network(o: argparse.Namespace) -> desk.Network:
    for source in o.sources:
        desk.check_source(source)
    return desk.Network(
        sources=o.sources, peers=o.peer, nodes=o.node, public=o.public, listen=o.listen, up=o.up * 1024, down=o.down * 1024,
        seconds=60.0 * o.minutes, max_size=o.max_size,
    )  # fmt: skip


def fetch(o: argparse.Namespace) -> None:
    pointers = [parse_pointer(text) for text in o.pointer]
    shelf, others = Shelf(o.folder), network(o)
    for pointer in pointers:
        tell(desk.fetch(shelf, *pointer, others))


def tell(found: desk.Fetched) -> None:
    m = found.manifest
    print(
        f"{m.key[:16]}…/{m.name} number {m.sequence}: {'is the newest that is known' if not found.news else f'{m.size:,} bytes, licence {m.licence}'}"
    )
    if found.news and m.about:
        print(f"  its publisher says: {m.about}")
    print(found.path, flush=True)


def follow(o: argparse.Namespace) -> None:
    pointers = [parse_pointer(text) for text in o.pointer]
    shelf, others = Shelf(o.folder), network(o)
    rounds = 0
    while True:
        for pointer in pointers:
            try:
                found = desk.fetch(shelf, *pointer, others)
                if found.news or rounds == 0:
                    tell(found)
            except UsageError:
                raise
            except UserError as error:  # the next round may have better luck
                print(f"{pointer[0][:16]}…/{pointer[1]}: {error}", flush=True)
        rounds += 1
        if o.rounds and rounds == o.rounds:
            return
        time.sleep(60.0 * o.every)


def serve(o: argparse.Namespace) -> None:
    if o.http is None and o.listen is None:
        raise UsageError(f"{PROG} serve: say where: --http ADDRESS:PORT, --listen ADDRESS:PORT (BitTorrent), or both")
    desk.serve(Shelf(o.folder), o.http, o.listen, o.up * 1024, o.node, o.public, o.key)


def update(o: argparse.Namespace) -> None:
    if not o.output.endswith(".f6u"):
        raise UsageError(f"-o {o.output}: the name of an update ends in .f6u")
    existing_file(o.output, [o.base])
    made = make_update_of_run(o.run, read_start(o.base))
    write_update(o.output, made)
    print(f"{o.output}: {os.path.getsize(o.output):,} bytes, what {made.steps:,} steps changed in {made.parameters:,} parameters")
    print_next("exchange", "publish", o.output, "--key", "FILE", "--name", "NAME", "--licence", "WORDS", "--parent", o.base)


def combine(o: argparse.Namespace) -> None:
    existing_file(o.output, (o.base, *o.update, o.text))
    model, outcome = combine_files(read_start(o.base), o.update, o.text)
    for number, (path, gain) in enumerate(zip(o.update, outcome.gains)):
        print(f"{path}: gains {gain:+.4f} nats on the private text, {'used' if number in outcome.survivors else 'left out'}")
    if not outcome.kept:
        raise UserError(
            f"{o.base}: stays as it is: "
            + (
                f"the step would raise the private loss from {outcome.before:.4f} to {outcome.after:.4f}"
                if outcome.survivors
                else "no update makes it better"
            )
        )
    write_model(o.output, model)
    print(f"{o.output}: {outcome.after:.4f} nats on the other half of the private text, {outcome.before:.4f} before")
    print_next("exchange", "check", o.output, "--text", o.text, "--have", o.base)


def check(o: argparse.Namespace) -> None:
    verdict = trust.check(o.model, trust.read_pieces(o.text), o.have, o.memory, o.seconds)
    if o.json:
        print(json.dumps({**dataclasses.asdict(verdict), "accepted": not verdict.reasons}))
    else:
        print(f"bits per character          {interval(verdict.score)} on {verdict.score['count']} pieces of {o.text}")
        print(f"{'difference to ' + verdict.against:27} {interval(verdict.compared, '+')}")
        print(f"pieces known by heart       {verdict.remembered:.1%} (longest run {verdict.longest} tokens)")
        print(f"dead rows or columns        {verdict.dead:.1%} at most of a matrix")
    if verdict.reasons:
        raise UserError(f"{o.model}: refused: {'; '.join(verdict.reasons)}")
    if not o.json:
        print(f"{o.model}: accepted: better than {verdict.against} on this text by {-verdict.compared['value']:.4f} bits per character")


def interval(figure: dict[str, Any], sign: str = "") -> str:
    return f"{figure['value']:{sign}.4f} (95 %: {figure['low']:{sign}.4f} to {figure['high']:{sign}.4f})"


def add_network(parser: ArgumentParser) -> None:
    """The options of commands that get something from others."""
    parser.add_argument("pointer", nargs="+", metavar="KEY/NAME", help="the publisher's public key and the name of the series")
    parser.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="URL",
        help="an address (http, https) or a folder that has it; may be given again",
    )
    parser.add_argument(
        "--peer",
        type=address,
        action="append",
        default=[],
        metavar="ADDRESS:PORT",
        help="who has the file by BitTorrent; may be given again",
    )
    parser.add_argument(
        "--listen",
        type=address,
        default=("127.0.0.1", 0),
        metavar="ADDRESS:PORT",
        help="where this peer is reached by BitTorrent (default: 127.0.0.1, any port)",
    )
    add_dht(parser)
    parser.add_argument(
        "--up",
        type=whole(0, 10**7),
        default=0,
        metavar="KIB",
        help="upload at most so many KiB a second while fetching (default: 0, nothing)",
    )
    parser.add_argument(
        "--down", type=whole(0, 10**7), default=0, metavar="KIB", help="download at most so many KiB a second (default: 0, no limit)"
    )
    parser.add_argument(
        "--minutes", type=whole(1, 10**6), default=10, metavar="M", help="give up after so long; what came stays (default: 10)"
    )
    parser.add_argument("--max-size", type=memory_size, default=256 << 20, metavar="SIZE", help="refuse larger files (default: 256M)")
    add_folder(parser)


def add_dht(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--node",
        type=address,
        action="append",
        default=[],
        metavar="ADDRESS:PORT",
        help="a member of the DHT to begin at; may be given again",
    )
    parser.add_argument(
        "--public", action="store_true", help="begin at the public BitTorrent DHT: strangers see your address and what you look for"
    )


def add_folder(parser: ArgumentParser) -> None:
    parser.add_argument("--folder", default=FOLDER, metavar="DIR", help=f"where manifests and files are kept (default: {FOLDER})")


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        PROG,
        "Exchange models, updates and text with strangers: signed manifests, BitTorrent v2 or plain HTTP, and a measurement before anything is kept.",
        f"{PROG} fetch KEY/small --from http://192.168.1.7:8000",
    )
    commands = parser.subcommands()
    one = commands.add_parser("key", help="make a secret key, or show a key's public half", purpose="Make a secret key in a new file, or show the public key of one.", example=f"{PROG} key my.key")  # fmt: skip
    one.add_argument("file", metavar="FILE", help="the secret key's file")
    one.set_defaults(function=key)

    one = commands.add_parser("publish", help="sign a file as the newest of a series", purpose="Sign a model (.f6c), an update (.f6u) or text (.txt.zst) as the newest of a series, and put it where `serve` finds it.", example=f"{PROG} publish small.f6c --key my.key --name small --licence MIT")  # fmt: skip
    one.add_argument("file", metavar="FILE", help="what is published")
    one.add_argument("--key", required=True, metavar="FILE", help="the secret key")
    one.add_argument("--name", required=True, metavar="NAME", help="of the series: small letters, digits, . _ -")
    one.add_argument("--licence", required=True, metavar="WORDS", help="such as MIT or CC-BY-4.0")
    one.add_argument("--about", metavar="TEXT", help="the model card in a sentence (default: made from the model's own)")
    one.add_argument("--parent", default="", metavar="FILE", help="the model that this was made from, or that the update changes")
    one.add_argument("--run", default="", metavar="WORD", help="the training run that it belongs to")
    one.add_argument(
        "--days", type=whole(1, 3650), default=90, metavar="N", help="until the manifest expires; publish again before (default: 90)"
    )
    one.add_argument("--successor", metavar="FILE", help="the secret key that signs this series from the next number on")
    add_folder(one)
    one.set_defaults(function=publish)

    one = commands.add_parser("fetch", help="get the newest file of a series", purpose="Get the newest file of a series, check it, and keep it only if everything is right.", example=f"{PROG} fetch KEY/small --from http://192.168.1.7:8000")  # fmt: skip
    add_network(one)
    one.set_defaults(function=fetch)

    one = commands.add_parser("follow", help="fetch again and again", purpose="Fetch the newest file of each series again and again, until it is stopped.", example=f"{PROG} follow KEY/small --from http://192.168.1.7:8000")  # fmt: skip
    add_network(one)
    one.add_argument("--every", type=whole(0, 10**6), default=30, metavar="M", help="minutes between two looks (default: 30)")
    one.add_argument("--rounds", type=whole(0, 10**6), default=0, metavar="N", help="stop after N looks (default: 0, go on)")
    one.set_defaults(function=follow)

    one = commands.add_parser("serve", help="offer what one has published and fetched", purpose="Offer what one has published and fetched, until it is stopped.", example=f"{PROG} serve --http 0.0.0.0:8000 --up 500")  # fmt: skip
    one.add_argument("--http", type=address, metavar="ADDRESS:PORT", help="offer it over plain HTTP here")
    one.add_argument("--listen", type=address, metavar="ADDRESS:PORT", help="offer it by BitTorrent here, and take part in the DHT")
    one.add_argument("--up", type=whole(1, 10**7), required=True, metavar="KIB", help="upload at most so many KiB a second")
    add_dht(one)
    one.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FILE",
        help="with --listen: tell the DHT what is newest in the series of this secret key; may be given again",
    )
    add_folder(one)
    one.set_defaults(function=serve)

    one = commands.add_parser("check", help="measure whether a model is worth having", purpose="Measure a model on a private text and say accept or refuse, with the figure. The exit status of refused is 1.", example=f"{PROG} check small-1.f6c --text mine.txt --have small.f6c")  # fmt: skip
    one.add_argument("model", metavar="MODEL", help="the model file (.f6c)")
    one.add_argument("--text", required=True, metavar="FILE", help="a text that its maker has not seen: plain UTF-8 or .zst")
    one.add_argument("--have", metavar="FILE", help="the model that it must be better than (default: xz)")
    one.add_argument("--memory", type=memory_size, default=1 << 30, metavar="SIZE", help="the most that measuring may take (default: 1G)")
    one.add_argument("--seconds", type=whole(1, 10**6), default=600, metavar="S", help="of processor time for each model (default: 600)")
    one.add_argument("--json", action="store_true", help="print one JSON object")
    one.set_defaults(function=check)

    one = commands.add_parser("update", help="make the update that a run sends", purpose="Make an update (.f6u) of a run that began with `train --from BASE`: what it changed, in two bits a parameter.", example=f"{PROG} update runs/mine --base small-1.f6c -o mine.f6u")  # fmt: skip
    one.add_argument("run", metavar="DIR", help="the folder of the run")
    one.add_argument("--base", required=True, metavar="BASE", help="the model file, or the run, that it began with")
    one.add_argument("-o", "--output", required=True, metavar="FILE", help="the update file to write")
    one.set_defaults(function=update)

    one = commands.add_parser("combine", help="make one model of a base and updates", purpose="Make one model of a base and updates of strangers: each must make it better on a private text, and all of them together on another part of it.", example=f"{PROG} combine small-1.f6c a.f6u b.f6u c.f6u --text mine.txt -o better.f6c")  # fmt: skip
    one.add_argument("base", metavar="BASE", help="what the updates change")
    one.add_argument("update", nargs="+", metavar="UPDATE", help="update files (.f6u)")
    one.add_argument("--text", required=True, metavar="FILE", help="a text that those who sent the updates have not seen")
    one.add_argument("-o", "--output", required=True, metavar="FILE", help="the model file to write")
    one.set_defaults(function=combine)
    options = parser.parse_args(argv)
    options.function(options)


if __name__ == "__main__":
    run(main)
