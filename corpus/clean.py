"""Any pile of text to clean documents: python -m fable6c.corpus clean

Each document is decoded, repaired (repair.py), judged (filters.py) and, where it stays, written as a record; then duplicates
(duplicates.py) are taken out. The folder that comes out holds
    documents.jsonl.zst   a record for each chunk, see `Record`
    report.json           what was kept, repaired, dropped and why, with examples
    report.html           the same to read, with plots
    set-aside.bin         the bytes of documents that could not be decoded, one after the other
    set-aside.jsonl       where each of them came from, and why
Nothing is at its final name before it is complete.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np
import zstandard

from fable6c import __version__, machines
from fable6c.cli import ArgumentParser, print_next
from fable6c.corpus.encodings import Undecodable, decode
from fable6c.corpus.filters import RULES, Settings, chosen, drop_reason
from fable6c.corpus.measure import Figures, HashSet, Measure, Words
from fable6c.corpus.readers import (
    PageTooComplex,
    Raw,
    Unreadable,
    check_inputs,
    page_text,
    printable,
    read,
    size_of,
)
from fable6c.corpus.repair import REPAIRS
from fable6c.data.text import zstd_blocks
from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_write, existing_file, locked, make_folder, open_file, read_json, read_toml
from fable6c.progress import Progress

DEFAULTS = Settings()
DOCUMENTS = "documents.jsonl.zst"
OUTPUTS = (DOCUMENTS, "set-aside.bin", "set-aside.jsonl", "report.json", "report.html")
EXAMPLES = 3  # of each kind in the report
EXAMPLE_CHARACTERS = 300
UNREADABLE_LISTED = 100
LEVEL = 1  # of zstd: higher ones take as long as all filters together
WRITE_CHARACTERS = 1 << 17  # to pack at a time
GROUP = 1 << 20  # bytes or characters of documents to clean at a time
LINE_BYTES = 64 << 20  # of a record, at most

_quoted = json.encoder.encode_basestring  # a JSON string, by the C of the standard library


class Record(NamedTuple):
    """A line of documents.jsonl.zst: chunk `chunk` of `chunks` of document number `document`. The text of a document is its chunks
    one after the other."""

    document: int
    chunk: int
    chunks: int
    source: str
    licence: str
    origin: str
    place: int
    part: int
    quality: dict[str, float]
    filters: str  # names of the rules that the document passed
    text: str


FIELDS: dict[str, type] = {
    "document": int, "chunk": int, "chunks": int, "source": str, "licence": str, "origin": str, "place": int, "part": int, "quality": dict, "filters": str,
    "text": str,
}  # fmt: skip
QUALITY = {
    "words": lambda f: f.words,
    "word_length": lambda f: f.word_bytes / f.words,
    "sentence_words": lambda f: f.words / max(1.0, f.sentences),
    "common_words": lambda f: f.common_words / f.words,
    "letters": lambda f: f.letters / f.word_bytes,
    "repeated": lambda f: f.repeated_5 / f.word_bytes,
}
# of the plots: (least, most) of what is shown
QUALITY_RANGES = {
    "words": (0, 4000), "word_length": (2, 9), "sentence_words": (0, 50), "common_words": (0, 0.8), "letters": (0.5, 1), "repeated": (0, 0.5),
}  # fmt: skip
BINS = 50


def quality(figures: Figures) -> dict[str, float]:
    """The figures that are kept with a document."""
    if not figures.words:
        return dict.fromkeys(QUALITY, 0.0)
    return {name: compute(figures) for name, compute in QUALITY.items()}


class Tally:
    """What the report is made of."""

    def __init__(self) -> None:
        self.read = {"documents": 0, "bytes": 0}
        self.kept = {"documents": 0, "bytes": 0, "chunks": 0}
        self.dropped: dict[str, dict] = {}
        self.repaired: dict[str, dict] = {}
        self.encodings: dict[str, int] = {}
        self.sources: dict[str, dict] = {}
        self.unreadable: list[dict] = []
        self.unreadable_count = 0
        self.values: dict[str, list[float]] = {name: [] for name in QUALITY}
        self.histograms = {name: np.zeros(BINS, dtype=np.int64) for name in QUALITY}

    def cannot_read(self, unreadable: Unreadable) -> None:
        self.unreadable_count += 1
        if len(self.unreadable) < UNREADABLE_LISTED:
            self.unreadable.append(unreadable._asdict())

    def drop(self, reason: str, size: int, example: str, origin: str) -> None:
        _note(self.dropped, reason, size, {"origin": origin, "text": _shorten(example)})

    def repair(self, name: str, before: str, after: str, origin: str) -> None:
        entry = self.repaired.get(name)
        if entry and len(entry["examples"]) == EXAMPLES:
            _note(self.repaired, name, len(before) - len(after), None)
            return
        at = next((i for i, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
        at = max(0, at - 40)
        example = {"origin": origin, "before": before[at : at + 120], "after": after[at : at + 120]}
        _note(self.repaired, name, len(before) - len(after), example)

    def observe(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.values[name].append(value)
        if len(self.values["words"]) >= 4096:
            self.flush()

    def merge(self, other: "Tally") -> None:
        """Take in the flushed tally of the documents that come next."""
        for own, its in ((self.dropped, other.dropped), (self.repaired, other.repaired)):
            for name, entry in its.items():
                sum_of = own.setdefault(name, {"documents": 0, "bytes": 0, "examples": []})
                sum_of["documents"] += entry["documents"]
                sum_of["bytes"] += entry["bytes"]
                sum_of["examples"] += entry["examples"][: EXAMPLES - len(sum_of["examples"])]
        for name in self.read:
            self.read[name] += other.read[name]
        for name, count in other.encodings.items():
            self.encodings[name] = self.encodings.get(name, 0) + count
        self.unreadable += other.unreadable[: UNREADABLE_LISTED - len(self.unreadable)]
        self.unreadable_count += other.unreadable_count
        for name, counts in other.histograms.items():
            self.histograms[name] += counts

    def flush(self) -> None:
        for name, values in self.values.items():
            low, high = QUALITY_RANGES[name]
            self.histograms[name] += np.histogram(np.clip(values, low, high), BINS, (low, high))[0]
            values.clear()


def _note(table: dict[str, dict], name: str, size: int, example: Optional[dict]) -> None:
    entry = table.setdefault(name, {"documents": 0, "bytes": 0, "examples": []})
    entry["documents"] += 1
    entry["bytes"] += size
    if example and len(entry["examples"]) < EXAMPLES:
        entry["examples"].append(example)


def _shorten(text: str) -> str:
    return text if len(text) <= EXAMPLE_CHARACTERS else text[:EXAMPLE_CHARACTERS] + " …"


class Overlap:
    """Finds documents that have passages of validation text. A run of words that the validation text has twice is a commonplace of
    its kind ("once upon a time there was a little girl named") and proves nothing, so only runs that it has once count."""

    def __init__(self, paths: Sequence[str], settings: Settings):
        self.settings = settings
        grams: list[np.ndarray] = []
        seen = set()  # a story that stands there twice (a text beside its .zst, two versions of a set) would hide itself
        for raw in read(paths, settings):
            if isinstance(raw, Unreadable):
                raise UserError(f"{raw.origin}: the validation text cannot be read ({raw.reason})")
            try:
                text = raw.content if isinstance(raw.content, str) else decode(raw.content, raw.likely)[0]
            except Undecodable as error:
                raise UserError(f"{raw.origin}: the validation text cannot be decoded ({error}); save it as UTF-8") from None
            try:
                text = page_text(text, raw.kind)[0]
            except PageTooComplex as error:
                raise UserError(f"{raw.origin}: the validation text cannot be read ({error})") from None
            for name, repair in REPAIRS.items():  # as what is compared with it
                text = repair(text) if name not in settings.off else text
            words = Words(text)
            known = hashlib.blake2b(words.hashes.tobytes(), digest_size=16).digest()
            if len(words) >= settings.overlap_words and known not in seen:
                grams.append(words.grams(settings.overlap_words))
            seen.add(known)
        if not grams:
            raise UserError(f"{', '.join(paths)}: no validation text of at least {settings.overlap_words} words")
        found, times = np.unique(np.concatenate(grams), return_counts=True)
        self.once = HashSet(found[times == 1])

    def drops(self, words: Words) -> bool:
        if len(words) < self.settings.overlap_words:
            return False
        grams = words.grams(self.settings.overlap_words)
        count = self.once.count(grams)
        return count >= self.settings.overlap_runs_most or count > self.settings.overlap_most * len(grams)


class Cleaner:
    """Repairs and judges documents one at a time and counts what happened in `tally`."""

    def __init__(self, settings: Settings, overlap: Optional[Overlap], set_aside: Callable[[Raw, str], None]):
        self.settings = settings
        self.rules = chosen(settings, list(REPAIRS))
        self.repairs = [(name, repair) for name, repair in REPAIRS.items() if name not in settings.off]
        self.measure = Measure()
        self.overlap = overlap
        self.set_aside = set_aside
        self.tally = Tally()

    def clean(self, raw: Raw) -> Optional[tuple[str, Words, dict[str, float]]]:
        """(text, its words, its quality) of a document that stays, else None."""
        tally = self.tally
        tally.read["documents"] += 1
        text = raw.content
        if isinstance(text, bytes):
            tally.read["bytes"] += len(text)
            try:
                text, encoding = decode(text, raw.likely)
            except Undecodable as error:
                tally.drop("undecodable", len(raw.content), repr(raw.content[:80]), f"{raw.origin}:{raw.place}")
                self.set_aside(raw, str(error))
                return None
            tally.encodings[encoding] = tally.encodings.get(encoding, 0) + 1
        else:
            tally.read["bytes"] += len(text.encode("utf-8", "surrogatepass"))
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:  # JSON can hold half of a pair: not a character, and no file can keep it
                tally.drop("undecodable", len(text), ascii(text[:80]), f"{raw.origin}:{raw.place}")
                self.set_aside(raw._replace(content=text.encode("utf-8", "surrogatepass")), "it has a lone surrogate")
                return None
            tally.encodings["text"] = tally.encodings.get("text", 0) + 1
        try:
            text, _ = page_text(text, raw.kind)
        except PageTooComplex as error:
            tally.cannot_read(Unreadable(raw.origin, str(error)))
            return None
        for name, repair in self.repairs:
            before = text
            text = repair(text)
            if text is not before and text != before and name != "white_space":
                tally.repair(name, before, text, f"{raw.origin}:{raw.place}")
        words = Words(text)
        size = len(words.data)
        figures = self.measure(words)
        figures_kept = quality(figures)
        tally.observe(figures_kept)
        reason = drop_reason(self.rules, figures, text, self.settings)
        if not reason and self.overlap and self.overlap.drops(words):
            reason = "validation_overlap"
        if reason:
            tally.drop(reason, size, text, f"{raw.origin}:{raw.place}")
            return None
        return text, words, figures_kept


def chunks(text: str, most: int) -> list[str]:
    """The text in chunks of at most `most` characters, cut before a paragraph's, a line's or a word's end; joined they are the text.

    Before, because there the pieces of the tokenizer begin (docs/tokenizer.md): the chunks' tokens joined are the text's tokens.
    """
    parts, start = [], 0
    while len(text) - start > most:
        end = start + most
        for separator in ("\n\n", "\n", " "):
            cut = text.rfind(separator, start + most // 2, end)
            if cut > start:
                end = cut
                break
        back = end
        while back > start + 1 and text[back - 1] == text[back] == "\n":  # line feeds that follow each other are one piece
            back -= 1
        end = back if text[back - 1] != "\n" else end  # but for a run as long as a chunk
        parts.append(text[start:end])
        start = end
    parts.append(text[start:])
    return parts


class Origin(NamedTuple):
    """What a record says of where its text is from."""

    source: str
    licence: str


def origin_of(path: str, source: str, licence: str) -> Origin:
    """The source and licence of an input: what was given, else what `get` noted beside it in source.json, else the file's name."""
    folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
    noted = {}
    with contextlib.suppress(OSError, ValueError, UserError):  # somebody else's file may have that name
        noted = read_json(os.path.join(folder, "source.json"))

    def first(given: str, key: str, otherwise: str) -> str:
        found = noted.get(key) if isinstance(noted, dict) else None
        chosen = given or (found if isinstance(found, str) else "") or otherwise
        return chosen.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate, of the command line or of JSON, is no character

    name = printable(os.path.basename(os.path.abspath(path)).split(".")[0])
    return Origin(first(source, "name", name), first(licence, "licence", "unknown"))


class Stays(NamedTuple):
    """A document that stays: where it comes from, its text, the bytes of that, its quality, and what duplicates are known by."""

    raw: Raw  # without its content
    text: str
    size: int
    figures: dict[str, float]
    marks: Any  # duplicates.Marks, or None


class Group(NamedTuple):
    """What became of a group of documents, in their order."""

    tally: Tally
    stays: list[Stays]
    aside: list[tuple[Raw, str]]


def clean_group(settings: Settings, overlap: Optional[Overlap], duplicates: str, documents: Sequence[Union[Raw, Unreadable]]) -> Group:
    """Clean some documents, apart from all others. Another process or machine may do it."""
    aside: list[tuple[Raw, str]] = []
    cleaner, stays = Cleaner(settings, overlap, lambda raw, reason: aside.append((raw, reason))), []
    marker = None
    if duplicates != "off":
        from fable6c.corpus.duplicates import Marker

        marker = Marker(settings, near=duplicates == "near")
    for raw in documents:
        if isinstance(raw, Unreadable):
            cleaner.tally.cannot_read(raw)
            continue
        kept = cleaner.clean(raw)
        if kept is not None:
            text, words, figures = kept
            stays.append(Stays(raw._replace(content=""), text, len(words.data), figures, marker(words) if marker else None))
    cleaner.tally.flush()
    return Group(cleaner.tally, stays, aside)


def _grouped(documents: Iterable[Union[Raw, Unreadable]]) -> Iterator[list[Union[Raw, Unreadable]]]:
    """Documents in groups of about GROUP bytes or characters."""
    group: list[Union[Raw, Unreadable]] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.content) if isinstance(document, Raw) else 0
        if size >= GROUP:
            yield group
            group, size = [], 0
    yield group


def clean(
    paths: Sequence[str],
    output: str,
    settings: Settings = DEFAULTS,
    duplicates: str = "near",
    validation: Sequence[str] = (),
    source: str = "",
    licence: str = "",
    progress: bool = True,
    each: Callable[..., Iterator[Group]] = map,
) -> dict:
    """Clean the files and folders into the folder `output`; returns the report. duplicates: "near", "exact" or "off". `each` applies a function to
    groups of documents, in their order, as `map` does; whoever does the work, the result is the same."""
    check_inputs([*paths, *validation])
    for path in paths:
        if os.path.isdir(path) and os.path.commonpath([os.path.abspath(path)] * 2) == os.path.commonpath(
            [os.path.abspath(path), os.path.abspath(output)]
        ):
            raise UserError(f"{output}: lies in the input {path}, so its own output would be read; choose another folder with -o")
    make_folder(output)
    for name in OUTPUTS:  # before hours of work
        existing_file(os.path.join(output, name))
    with locked(output, "clean", "-o"):
        return _clean(paths, output, settings, duplicates, validation, source, licence, progress, each)


def _clean(
    paths: Sequence[str],
    output: str,
    settings: Settings,
    duplicates: str,
    validation: Sequence[str],
    source: str,
    licence: str,
    progress: bool,
    each: Callable[..., Iterator[Group]],
) -> dict:
    started, started_cpu = time.monotonic(), time.process_time()
    work = os.path.join(output, DOCUMENTS + ".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    make_folder(work)
    finder = None
    if duplicates != "off":
        try:
            from fable6c.corpus.duplicates import Duplicates
        except ImportError as error:
            raise UserError(f"finding duplicates needs {error.name}; pip install 'fable6c[corpus]', or give --duplicates off") from None
        make_folder(os.path.join(work, "bands"))
        finder = Duplicates(os.path.join(work, "bands"), settings, near=duplicates == "near")
    try:
        with _SetAside(work) as set_aside:
            tally, passed = Tally(), " ".join(rule.name for rule in chosen(settings, list(REPAIRS)))
            work_on = functools.partial(clean_group, settings, Overlap(validation, settings) if validation else None, duplicates)
            spool = os.path.join(work, DOCUMENTS)
            with _LineWriter(spool) as out, Progress("cleaning", size_of(paths), "bytes", progress) as shown:
                number = 0
                for path in paths:
                    origin = origin_of(path, source, licence)
                    for group in each(work_on, _grouped(read([path], settings, shown.add))):
                        tally.merge(group.tally)
                        for raw, reason in group.aside:
                            set_aside.add(raw, reason)
                        for raw, text, size, figures, marks in group.stays:
                            if finder:
                                finder.add(marks)
                            parts = chunks(text, settings.chunk_characters)
                            for i, part in enumerate(parts):
                                place = (raw.origin, raw.place, raw.part)
                                out.write(Record(number, i, len(parts), origin.source, origin.licence, *place, figures, passed, part))
                            number += 1
                            tally.kept["documents"] += 1
                            tally.kept["bytes"] += size
                            tally.kept["chunks"] += len(parts)
                            entry = tally.sources.setdefault(origin.source, {"documents": 0, "bytes": 0, "licence": origin.licence})
                            entry["documents"] += 1
                            entry["bytes"] += size
        if finder:
            spool = _without_duplicates(spool, os.path.join(work, "final.jsonl.zst"), finder.resolve(), tally, progress)
        report = _report(tally, settings, paths, duplicates, validation)
        report.update(seconds=round(time.monotonic() - started, 2), cpu_seconds=round(time.process_time() - started_cpu, 2))
        from fable6c.corpus.report import write_page

        _move(spool, os.path.join(output, DOCUMENTS))
        for name in ("set-aside.bin", "set-aside.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(output, name))
            if set_aside.count:
                _move(os.path.join(work, name), os.path.join(output, name))
        atomic_write(
            os.path.join(output, "report.json"), json.dumps(report, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        )
        write_page(report, os.path.join(output, "report.html"))
        return report
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror or error}); free some space or choose another folder") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move(before: str, after: str) -> None:
    with open(before, "rb") as file:
        os.fsync(file.fileno())
    os.replace(before, after)


class _SetAside:
    """Keeps the bytes of documents that could not be decoded, for a person to look at."""

    def __init__(self, folder: str):
        self.bytes = open(os.path.join(folder, "set-aside.bin"), "wb")
        self.index = open(os.path.join(folder, "set-aside.jsonl"), "w", encoding="ascii")
        self.count = 0

    def add(self, raw: Raw, reason: str) -> None:
        entry = {"origin": raw.origin, "place": raw.place, "reason": reason, "offset": self.bytes.tell(), "bytes": len(raw.content)}
        self.bytes.write(raw.content)  # type: ignore[arg-type]
        self.index.write(json.dumps(entry) + "\n")
        self.count += 1

    def __enter__(self) -> "_SetAside":
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes.close()
        self.index.close()


class _LineWriter:
    """Writes records as JSON lines to a .zst. A line begins with the document's number, so that it can be passed over unparsed."""

    def __init__(self, path: str):
        self.file = open(path, "wb")
        self.packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(self.file, closefd=False)
        self.lines: list[str] = []
        self.waiting = 0

    def write(self, record: Record) -> None:
        # Put together by hand around the C function that escapes a string: json.dumps takes as long as all filters together.
        quality = ",".join(f'"{name}":{value:.6g}' for name, value in record.quality.items())
        line = (
            f'{record.document}\t{{"document":{record.document},"chunk":{record.chunk},"chunks":{record.chunks},"source":{_quoted(record.source)},'
            f'"licence":{_quoted(record.licence)},"origin":{_quoted(record.origin)},"place":{record.place},"part":{record.part},'
            f'"quality":{{{quality}}},"filters":{_quoted(record.filters)},"text":{_quoted(record.text)}}}\n'
        )
        self.lines.append(line)
        self.waiting += len(line)
        if self.waiting >= WRITE_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        self.packer.write("".join(self.lines).encode("utf-8"))
        self.lines, self.waiting = [], 0

    def __enter__(self) -> "_LineWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self.packer.close()
        self.file.close()


def read_records(path: str) -> Iterator[dict]:
    """The records of a documents.jsonl.zst. UserError if it is missing, damaged or something else."""
    try:
        with open_file(path) as file:
            for line in _record_lines(file):
                yield _record(json.loads(line.partition(b"\t")[2]))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); make it with `python -m fable6c.corpus clean`") from None
    except (zstandard.ZstdError, ValueError, EOFError, RecursionError) as error:
        raise UserError(f"{path}: is damaged or not made by `python -m fable6c.corpus clean` ({error})") from None


def _record(value: Any) -> dict:
    """A record as `_LineWriter` writes it, else ValueError: what comes later trusts its fields."""
    if not isinstance(value, dict):
        raise ValueError("a line holds no record")
    for name, kind in FIELDS.items():
        field = value.get(name)
        if type(field) is not kind or isinstance(field, int) and not 0 <= field < 2**63:
            raise ValueError(f"a record's {name} is {repr(field)[:40]}")
        if isinstance(field, str):
            field.encode("utf-8")  # a lone surrogate is no character
    if not 0 <= value["chunk"] < value["chunks"]:
        raise ValueError(f"a record is chunk {value['chunk']} of {value['chunks']}")
    if not all(isinstance(figure, (int, float)) and abs(figure) < 2**53 for figure in value["quality"].values()):
        raise ValueError("a record's quality is no number")
    return value


def _record_lines(file: Any) -> Iterable[bytes]:
    unfinished = b""
    for block in zstd_blocks(file):
        *lines, rest = block.split(b"\n")
        if lines:
            lines[0] = unfinished + lines[0]
            yield from lines
            unfinished = rest
        else:
            unfinished += rest
            if len(unfinished) > LINE_BYTES:
                raise ValueError(f"a line is longer than {LINE_BYTES >> 20} MiB")


def _without_duplicates(spool: str, final: str, dropped: Sequence, tally: Tally, progress: bool) -> str:
    """Copy the spool without the documents in `dropped`, and count these."""
    gone = {duplicate.document: duplicate for duplicate in dropped}
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with open(spool, "rb") as file, open(final, "wb") as out, packer.stream_writer(out, closefd=False) as packed:
        with Progress("writing", tally.kept["documents"], "documents", progress) as shown:
            for line in _record_lines(file):
                number, _, record = line.partition(b"\t")
                shown.add(0)
                duplicate = gone.get(int(number))
                if duplicate is None:
                    packed.write(line + b"\n")
                    continue
                record = json.loads(record)
                size = len(record["text"].encode("utf-8"))
                tally.kept["bytes"] -= size
                tally.kept["chunks"] -= 1
                tally.sources[record["source"]]["bytes"] -= size
                reason = "exact_duplicate" if duplicate.exact else "near_duplicate"
                if record["chunk"] == 0:
                    tally.kept["documents"] -= 1
                    tally.sources[record["source"]]["documents"] -= 1
                    like = f"{record['origin']}:{record['place']} is like document {duplicate.original} ({duplicate.similarity:.2f})"
                    tally.drop(reason, size, record["text"], like)
                else:
                    tally.dropped[reason]["bytes"] += size
    return final


def _report(tally: Tally, settings: Settings, paths: Sequence[str], duplicates: str, validation: Sequence[str]) -> dict:
    tally.flush()
    sources = {rule.name: f"{rule.source}: {rule.says}" for rule in RULES}
    sources.update(
        undecodable="no encoding explains the bytes: they are in set-aside.bin",
        exact_duplicate="the same text as an earlier document",
        near_duplicate=f"Jaccard similarity of {settings.shingle_words}-word shingles to an earlier document is at least {settings.similar_least}",
        validation_overlap=f"has passages of the validation text ({settings.overlap_words}-word runs)",
    )
    return {
        "made_by": f"fable6c {__version__}",
        "inputs": list(paths),
        "validation": list(validation),
        "duplicates": duplicates,
        "settings": dataclasses.asdict(settings),
        "read": tally.read,
        "kept": tally.kept,
        "dropped": {name: {"says": sources.get(name, ""), **entry} for name, entry in tally.dropped.items()},
        "repaired": {
            name: {"documents": e["documents"], "characters_removed": e["bytes"], "examples": e["examples"]}
            for name, e in tally.repaired.items()
        },
        "encodings": tally.encodings,
        "sources": tally.sources,
        "unreadable": {"count": tally.unreadable_count, "listed": tally.unreadable},
        "histograms": {name: {"range": QUALITY_RANGES[name], "documents": counts.tolist()} for name, counts in tally.histograms.items()},
    }


def load_settings(path: str) -> Settings:
    """The settings with the keys of a TOML file laid over them. UsageError for an unknown key or a value of the wrong type."""
    import difflib

    if not path:
        return Settings()
    table = read_toml(path)
    defaults = dataclasses.asdict(Settings())
    for key, value in table.items():
        if key not in defaults:
            raise UsageError(f"{path}: unknown key `{key}`; did you mean `{difflib.get_close_matches(key, defaults, 1, 0)[0]}`?")
        usual = defaults[key]
        if isinstance(usual, (tuple, list)):
            kinds = (int, float) if usual else (str,)
            fits = isinstance(value, list) and (not usual or len(value) == len(usual)) and all(type(one) in kinds for one in value)
            kind = f"a list of {len(usual)} numbers" if usual else "a list of names"
        else:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            fits = (
                isinstance(value, str)
                if isinstance(usual, str)
                else number and value >= 0 and (isinstance(usual, float) or isinstance(value, int))
            )
            kind = {str: "a text", int: "a whole number", float: "a number"}[type(usual)] + (
                "" if isinstance(usual, str) else " of 0 or more"
            )
        if not fits:
            raise UsageError(f"{path}: {key} = {value!r}: expected {kind}")
    for key in ("document_bytes", "chunk_characters", "shingle_words", "overlap_words", "bands", "rows"):
        if table.get(key, 1) < 1:
            raise UsageError(f"{path}: {key} = {table[key]}: expected at least 1")
    settings = Settings(**table)
    chosen(settings, list(REPAIRS))
    return settings


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.corpus clean",
        "Make clean documents of files and folders: text, in which <|endoftext|> ends a document, .gz, .zst, .zip, .jsonl, .json (an array), .parquet, .md, .html.",
        "python -m fable6c.corpus clean stories.txt.zst books/ -o clean --validation valid500.txt",
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="files and folders")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for documents.jsonl.zst and the report")
    parser.add_argument("--settings", default="", metavar="FILE", help="TOML with thresholds and switches (docs/data.md has the keys)")
    parser.add_argument(
        "--duplicates", default="near", choices=("near", "exact", "off"), help="which duplicates are taken out (default near)"
    )
    parser.add_argument(
        "--validation",
        nargs="+",
        default=[],
        metavar="PATH",
        help="text that must not be trained on: documents that overlap with it are dropped",
    )
    parser.add_argument(
        "--source",
        default="",
        metavar="NAME",
        help="the source's name in the records (default: source.json of `get`, else the file's name)",
    )
    parser.add_argument("--licence", default="", metavar="TEXT", help="the source's licence in the records")
    parser.add_argument("--cluster", default="", metavar="HOST:PORT", help="let all machines of this cluster work at it (docs/cluster.md)")
    parser.add_argument(
        "--folder", default=machines.FOLDER, metavar="DIR", help=f"what this machine keeps of the cluster (default {machines.FOLDER})"
    )
    options = parser.parse_args(argv)
    given = (
        options.inputs,
        options.output,
        load_settings(options.settings),
        options.duplicates,
        options.validation,
        options.source,
        options.licence,
    )
    if options.cluster:
        machines.require_ray()
        folder = os.path.expanduser(options.folder)
        token = machines.check_token(folder)
        machines.listen_here(folder)
        machines.use_token(token)
        with machines.connected(options.cluster):
            report = clean(*given, each=machines.each)
    else:
        report = clean(*given)
    kept, seen = report["kept"], report["read"]
    for name, entry in sorted(report["dropped"].items(), key=lambda item: -item[1]["bytes"]):
        print(f"dropped {entry['documents']:8,} documents {entry['bytes']:14,} bytes  {name}")
    for entry in report["unreadable"]["listed"][:5]:
        print(f"could not read {entry['origin']}: {entry['reason']}")
    if report["unreadable"]["count"] > 5:
        print(f"… and {report['unreadable']['count'] - 5:,} more, see report.json")
    print(
        f"kept    {kept['documents']:8,} of {seen['documents']:,} documents, {kept['bytes']:,} of {seen['bytes']:,} bytes, {report['seconds']:.1f} s"
    )
    if not kept["documents"]:
        raise UserError(f"{options.output}: no document was kept; report.html says why")
    print(f"the report: {options.output}/report.html")
    print_next("corpus", "db", "build", options.output, "-o", "corpus.db")
