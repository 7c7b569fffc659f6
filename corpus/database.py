"""The training database: one SQLite file with documents, their chunks, and the chunks' tokens.

    python -m fable6c.corpus db build clean/ -o corpus.db
    python -m fable6c.corpus db tokenize corpus.db --vocab 4096
    python -m fable6c.train --corpus corpus.db --preset small

The file is in WAL mode: readers and one writer do not wait for each other, and what was committed survives a kill. Every row carries
a checksum of its other columns, because SQLite's own integrity check looks at its structures, not at what is in them.
"""

import argparse
import contextlib
import functools
import hashlib
import os
import random
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, Optional, TypeVar, Union, cast

import numpy as np
import zstandard

from fable6c.cli import ArgumentParser, print_next
from fable6c.corpus.clean import DOCUMENTS, QUALITY, read_records
from fable6c.data.bpe import train_tokenizer
from fable6c.errors import UsageError, UserError
from fable6c.files import atomic_file, existing_file, open_file
from fable6c.model.tokenizer import END_OF_TEXT, MAX_VOCAB, MIN_VOCAB, Tokenizer
from fable6c.progress import Progress

VERSION = 1
APPLICATION_ID = 0xF6C0DB  # SQLite writes it into the file's header
COMMIT_SECONDS, COMMIT_CHARACTERS = 2.0, 8_000_000  # between two commits of a build
PACK_LEVEL = 6
DICTIONARY_BYTES = 112_640  # zstd's usual size
DICTIONARY_SAMPLES, SAMPLE_CHARACTERS = 4000, 4096
MIN_SAMPLES = 200
ENCODE_CHARACTERS = 4_000_000  # of chunks to encode at a time
MAX_CHUNK_BYTES = 1 << 26  # unpacked: `clean` cuts at 16,384 characters; a forged row must not ask for gigabytes
TOKEN = np.dtype("<u2")

QUALITY_COLUMNS = ", ".join(f"{name} REAL" for name in QUALITY)
SCHEMA = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT, checksum INTEGER);
CREATE TABLE input(id INTEGER PRIMARY KEY, path TEXT UNIQUE, bytes INTEGER, records INTEGER, complete INTEGER, checksum INTEGER);
CREATE TABLE source(id INTEGER PRIMARY KEY, name TEXT, licence TEXT, checksum INTEGER, UNIQUE(name, licence));
CREATE TABLE filters(id INTEGER PRIMARY KEY, passed TEXT UNIQUE, checksum INTEGER);
CREATE TABLE dictionary(id INTEGER PRIMARY KEY, data BLOB, checksum INTEGER);
CREATE TABLE document(id INTEGER PRIMARY KEY, source INTEGER REFERENCES source, origin TEXT, place INTEGER, part INTEGER,
  filters INTEGER REFERENCES filters, split TEXT CHECK(split IN ('train', 'valid')), chunks INTEGER, characters INTEGER, bytes INTEGER,
  name INTEGER, {QUALITY_COLUMNS}, checksum INTEGER);
CREATE TABLE chunk(id INTEGER PRIMARY KEY, document INTEGER REFERENCES document, number INTEGER, characters INTEGER,
  dictionary INTEGER REFERENCES dictionary, packed BLOB, checksum INTEGER);
CREATE INDEX chunk_document ON chunk(document);
CREATE TABLE tokenizer(vocab INTEGER PRIMARY KEY, merges BLOB, complete INTEGER, checksum INTEGER);
CREATE TABLE tokens(id INTEGER PRIMARY KEY, vocab INTEGER REFERENCES tokenizer, chunk INTEGER REFERENCES chunk, count INTEGER,
  ids BLOB, checksum INTEGER);
CREATE VIEW overview AS SELECT source.name AS source, licence, split, COUNT(*) AS documents, SUM(chunks) AS chunks, SUM(characters) AS
  characters, SUM(bytes) AS bytes, AVG(words) AS words, AVG(word_length) AS word_length, AVG(sentence_words) AS sentence_words
  FROM document JOIN source ON source.id = document.source GROUP BY source.id, split;
"""
TABLES = ("meta", "input", "source", "filters", "dictionary", "document", "chunk", "tokenizer", "tokens")
# tokens.id: the vocabulary and the chunk in one number, so that a row is found in one step.
VOCAB_SHIFT = 40


def checksum(values: Iterable[object]) -> int:
    """CRC-32 of a row's values: of a blob its bytes, of anything else its Python form."""
    crc = 0
    for value in values:
        crc = zlib.crc32(value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass"), crc)
        crc = zlib.crc32(b"\0", crc)
    return crc


class Database:
    """An open database. `write=False` opens it for reading only, beside whoever writes; `make=True` makes it if it is not there."""

    def __init__(self, path: str, write: bool = False, make: bool = False):
        write = write or make
        if not make and not os.path.isfile(path):
            raise UserError(f"{path}: there is no such database; make it with `python -m fable6c.corpus db build`")
        if existing_file(path) and os.path.getsize(path):
            with open_file(path) as file:
                start = file.read(16)
            if start != b"SQLite format 3\0":
                raise UserError(f"{path}: starts with {start[:12]!r}, so it is not a database made by `python -m fable6c.corpus db build`")
        self.path = path
        self._unpackers: dict[Optional[int], zstandard.ZstdDecompressor] = {}
        try:
            address = "file:" + os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
            mode = "?mode=rwc" if make else "?mode=rw" if write else "?mode=ro" if _has_shared_memory(path, address) else "?immutable=1"
            self.connection = _connect(address + mode)
            if write and not self.value("SELECT COUNT(*) FROM sqlite_master"):
                self.execute("PRAGMA page_size = 8192")
                self.execute("PRAGMA journal_mode = WAL")
                with self.transaction():
                    for statement in SCHEMA.split(";\n"):
                        if statement.strip():
                            self.execute(statement)
                    self.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self.execute(f"PRAGMA user_version = {VERSION}")
            application, version = self.value("PRAGMA application_id"), self.value("PRAGMA user_version")
            if application != APPLICATION_ID:
                raise UserError(f"{path}: is a SQLite database, but not one made by `python -m fable6c.corpus db build`")
            if version != VERSION:
                raise UserError(f"{path}: has version {version}, this build reads {VERSION}; build the database anew")
            self.execute("PRAGMA synchronous = FULL" if write else "PRAGMA query_only = ON")  # FULL: a commit survives a power cut
            self.execute(f"PRAGMA mmap_size = {1 << 30}")
        except sqlite3.Error as error:
            if _is_of_disk(error):
                raise DiskFull(path, error) from None
            raise UserError(f"{path}: cannot be opened as a database ({error}); check its folder, or build it anew") from None

    def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self.connection.execute(sql, values)

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.execute(sql, values).fetchone()
        return row[0] if row else None

    def rows(self, kinds: Sequence[Union[type, tuple[type, ...]]], sql: str, values: Sequence[object] = ()) -> Iterator[tuple]:
        """The rows of a query, whose columns have these types: SQLite keeps any type in any column, and somebody else may have written there.
        UserError where one has another."""
        for row in self.execute(sql, values):
            if not all(map(isinstance, row, kinds)):
                raise self.foreign(row)
            yield row

    def foreign(self, row: object) -> UserError:
        return UserError(
            f"{self.path}: holds what no build writes ({repr(row)[:80]}); `python -m fable6c.corpus db verify` says where, build it anew"
        )

    def tokenizer(self, vocab: int) -> Optional[Tokenizer]:
        """The tokenizer of `vocab` tokens, or None. UserError where there is something else."""
        for (merges,) in self.rows((bytes,), "SELECT merges FROM tokenizer WHERE vocab = ?", (vocab,)):
            tokenizer = Tokenizer.from_bytes(merges)
            if tokenizer.vocab_size != vocab:
                raise self.foreign(f"{tokenizer.vocab_size} tokens as {vocab}")
            return tokenizer
        return None

    def insert(self, table: str, values: Sequence[object]) -> Optional[int]:
        """Add a row, whose checksum is computed here; returns its id."""
        marks = ", ".join("?" * (len(values) + 1))
        return self.execute(f"INSERT INTO {table} VALUES ({marks})", (*values, checksum(values))).lastrowid

    def replace(self, table: str, values: Sequence[object]) -> None:
        marks = ", ".join("?" * (len(values) + 1))
        self.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*values, checksum(values)))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def unpack(self, packed: bytes, dictionary: Optional[int]) -> str:
        """The text of a chunk. UserError where the row holds no such text, or promises more than MAX_CHUNK_BYTES."""
        try:
            if dictionary not in self._unpackers:
                data = self.value("SELECT data FROM dictionary WHERE id = ?", (dictionary,))
                self._unpackers[dictionary] = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(data) if data else None)
            size = zstandard.frame_content_size(packed)
            if size > MAX_CHUNK_BYTES:
                raise ValueError(f"{size:,} bytes, at most {MAX_CHUNK_BYTES:,} are read")
            return self._unpackers[dictionary].decompress(packed).decode("utf-8")
        except (zstandard.ZstdError, ValueError, TypeError) as error:  # UnicodeDecodeError is a ValueError
            raise UserError(
                f"{self.path}: the text of a chunk cannot be unpacked ({error}); `python -m fable6c.corpus db verify` says where, build it anew"
            ) from None

    def texts(self, where: str = "1", values: Sequence[object] = ()) -> Iterator[tuple[int, str]]:
        """(id, text) of the documents for which the condition over the columns of document and source holds, in their order."""
        rows = self.rows(
            (int, bytes, (int, type(None))),
            "SELECT chunk.document, chunk.packed, chunk.dictionary FROM chunk WHERE chunk.document IN (SELECT document.id FROM document "
            f"JOIN source ON source.id = document.source WHERE {where}) ORDER BY chunk.id", values,
        )  # fmt: skip
        current = 0
        parts: list[str] = []
        for document, packed, dictionary in rows:
            if document != current and parts:
                yield current, "".join(parts)
                parts = []
            current = document
            parts.append(self.unpack(packed, dictionary))
        if parts:
            yield current, "".join(parts)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class DiskFull(UserError):
    def __init__(self, path: str, error: Exception):
        super().__init__(f"{path}: the disk is full or fails ({error}); free some space there and run the same command again")


def _is_of_disk(error: Exception) -> bool:
    return "disk" in str(error)  # "database or disk is full", "disk I/O error"; their codes come with Python 3.11


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, timeout=60, isolation_level=None, check_same_thread=False)


def _has_shared_memory(path: str, address: str) -> bool:
    """Whether SQLite can read the database beside writers, for which it needs files in its folder (-shm). On read-only media it cannot, but there
    nobody writes either. UserError where a writer left something behind (-wal) that cannot be read without them."""
    connection = _connect(address + "?mode=ro")
    try:
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        return True
    except sqlite3.OperationalError as error:
        if os.path.exists(path + "-wal") and os.path.getsize(path + "-wal"):
            raise UserError(
                f"{path}: its last changes are still in {path}-wal, which cannot be read where it is ({error}); copy both to a folder that can be written"
            ) from None
        return False
    finally:
        connection.close()


def is_database(path: str) -> bool:
    """Whether the file is a SQLite database."""
    if not os.path.isfile(path):  # to open a pipe is to wait for its writer
        return False
    try:
        with open_file(path) as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


F = TypeVar("F", bound=Callable[..., Any])


def _reported(function: F) -> F:
    """Turns SQLite's errors into the one line of a UserError."""

    @functools.wraps(function)
    def wrapper(path: str, *arguments: Any, **named: Any) -> Any:
        try:
            return function(path, *arguments, **named)
        except sqlite3.IntegrityError as error:
            raise UserError(
                f"{path}: another command has written to it meanwhile ({error}); run this one again when that has ended"
            ) from None
        except UnicodeEncodeError:
            raise UserError(f"{path}: the query has bytes that are not UTF-8; write it anew") from None
        except (sqlite3.OperationalError, sqlite3.ProgrammingError, sqlite3.Warning) as error:
            if _is_of_disk(error):
                raise DiskFull(path, error) from None
            if "locked" in str(error):
                raise UserError(f"{path}: another command is writing to it ({error}); run this one again when that has ended") from None
            raise UserError(f"{path}: {error}; check the query and the database's permissions") from None
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path}: is damaged ({error}); `python -m fable6c.corpus db verify` says where, build it anew") from None

    return cast(F, wrapper)


# ---- building


@_reported
def build(path: str, inputs: Sequence[str], valid_share: float = 0.005, progress: bool = True) -> None:
    """Put the records of cleaned folders into the database at `path`, which is made if it is not there.

    Goes on where a build of the same inputs was killed; inputs that are in it already are passed over, so that a further source can be
    added later. A document is held out (split `valid`) by a hash of its text, so copies never lie on both sides; the parts
    of a document that was too long to read at once stay together.
    """
    files = [os.path.join(entry, DOCUMENTS) if os.path.isdir(entry) else entry for entry in inputs]
    for file in files:
        if not os.path.isfile(file):
            raise UserError(f"{file}: there is no such file; make it with `python -m fable6c.corpus clean`")
    is_new = not os.path.exists(path)
    try:
        _build(path, files, valid_share, progress)
    except (sqlite3.OperationalError, DiskFull) as error:
        if is_new and (isinstance(error, DiskFull) or _is_of_disk(error)):  # a full disk: what is there of it takes the room that is needed
            for name in (path, path + "-wal", path + "-shm"):
                with contextlib.suppress(OSError):
                    os.remove(name)
        raise


def _build(path: str, files: Sequence[str], valid_share: float, progress: bool) -> None:
    with Database(path, make=True) as database:
        share = database.value("SELECT value FROM meta WHERE key = 'valid_share'")
        if share not in (None, repr(valid_share)):
            raise UserError(f"{path}: was begun with --valid {str(share)[:40]}; give the same, or choose another file with -o")
        if share is None:
            with database.transaction():
                database.insert("meta", ("valid_share", repr(valid_share)))
        for file in files:
            _add_input(database, os.path.abspath(file), valid_share, progress)


def _add_input(database: Database, file: str, valid_share: float, progress: bool) -> None:
    size = os.path.getsize(file)
    name = os.fsencode(file).decode("utf-8", "backslashreplace")  # a name need not be UTF-8, a text in the database must
    known = database.execute("SELECT id, bytes, records, complete FROM input WHERE path = ?", (name,)).fetchone()
    if known and known[1] != size:
        raise UserError(f"{file}: has {size} bytes, but {known[1]} when it was put into {database.path}; build another database with -o")
    if known and known[3]:
        print(f"{file}: is in the database already", file=sys.stderr)
        return
    number, done = (known[0], known[2]) if known else (None, 0)
    if number is None:
        with database.transaction():
            number = database.insert("input", (database.value("SELECT COALESCE(MAX(id), 0) + 1 FROM input"), name, size, 0, 0))
    packer, dictionary = _packer(database, file)
    writer = _Writer(database, packer, dictionary, valid_share)
    seen = 0
    with Progress("building", None, "records", progress) as shown:
        records: list[dict] = []
        waiting, committed = 0, time.monotonic()
        for record in read_records(file):
            seen += 1
            shown.add(1)
            if seen <= done:
                continue
            records.append(record)
            waiting += len(record["text"])
            # Whole documents only, so that a build that goes on never has half of one.
            if record["chunk"] == record["chunks"] - 1 and (time.monotonic() - committed >= COMMIT_SECONDS or waiting >= COMMIT_CHARACTERS):
                _commit(database, writer, records, (number, name, size, seen, 0))
                records, waiting, committed = [], 0, time.monotonic()
        _commit(database, writer, records, (number, name, size, seen, 1))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _commit(database: Database, writer: "_Writer", records: Sequence[dict], state: tuple) -> None:
    with database.transaction():
        document: list[dict] = []
        for record in records:
            document.append(record)
            if record["chunk"] == record["chunks"] - 1:
                writer.add(document)
                document = []
        database.replace("input", state)


def _packer(database: Database, file: str) -> tuple[zstandard.ZstdCompressor, Optional[int]]:
    """A compressor with the database's dictionary, which is trained on the first input and stored."""
    stored = database.execute("SELECT id, data FROM dictionary").fetchone()
    if stored is None:
        samples = []
        for record in read_records(file):
            samples.append(record["text"][:SAMPLE_CHARACTERS].encode("utf-8"))
            if len(samples) == DICTIONARY_SAMPLES:
                break
        if len(samples) < MIN_SAMPLES:
            return zstandard.ZstdCompressor(level=PACK_LEVEL, write_checksum=True), None
        try:
            data = zstandard.train_dictionary(min(DICTIONARY_BYTES, sum(map(len, samples)) // 20), samples, level=PACK_LEVEL).as_bytes()
        except zstandard.ZstdError:  # texts that have nothing in common
            return zstandard.ZstdCompressor(level=PACK_LEVEL, write_checksum=True), None
        with database.transaction():
            stored = (database.insert("dictionary", (1, data)), data)
    return zstandard.ZstdCompressor(level=PACK_LEVEL, write_checksum=True, dict_data=zstandard.ZstdCompressionDict(stored[1])), stored[0]


def _name(text: bytes) -> int:
    """A 64-bit name for a document's content, signed because SQLite's integers are."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


class _Writer:
    """Adds documents; keeps the numbers of sources and filters, and on which side the last document of each origin is."""

    def __init__(self, database: Database, packer: zstandard.ZstdCompressor, dictionary: Optional[int], valid_share: float):
        self.database, self.packer, self.dictionary, self.valid_share = database, packer, dictionary, valid_share
        self.sources: dict[tuple[str, str], int] = {}
        self.filters: dict[str, int] = {}
        last = database.execute("SELECT origin, split FROM document ORDER BY id DESC LIMIT 1").fetchone()
        self.last: tuple[str, str] = last or ("", "")  # (origin, split) of the last document
        self.next_document = database.value("SELECT COALESCE(MAX(id), 0) + 1 FROM document")
        self.next_chunk = database.value("SELECT COALESCE(MAX(id), 0) + 1 FROM chunk")

    def split(self, name: int, origin: str, part: int) -> str:
        if part and self.last[0] == origin:
            return self.last[1]
        return "valid" if (name & 0xFFFFFFFF) < self.valid_share * 2**32 else "train"

    def add(self, records: Sequence[dict]) -> None:
        """A document, given as the records of all its chunks."""
        first = records[0]
        text = "".join(record["text"] for record in records).encode("utf-8")
        name = _name(text)
        split = self.split(name, first["origin"], first["part"])
        self.last = (first["origin"], split)
        number = self.next_document
        self.next_document += 1
        source = self._number("source", self.sources, (first["source"], first["licence"]))
        filters = self._number("filters", self.filters, (first["filters"],))
        characters = sum(len(record["text"]) for record in records)
        figures = [float(first["quality"].get(column, 0.0)) for column in QUALITY]
        self.database.insert("document", (
            number, source, first["origin"], first["place"], first["part"], filters, split, len(records), characters, len(text), name, *figures,
        ))  # fmt: skip
        for i, record in enumerate(records):
            data = record["text"].encode("utf-8")
            if len(data) > MAX_CHUNK_BYTES:
                raise UserError(
                    f"{first['origin']}: a chunk has {len(data):,} bytes, at most {MAX_CHUNK_BYTES:,} fit; clean with a smaller chunk_characters"
                )
            packed = self.packer.compress(data)
            self.database.insert("chunk", (self.next_chunk, number, i, len(record["text"]), self.dictionary, packed))
            self.next_chunk += 1

    def _number(self, table: str, known: dict, values: tuple) -> int:
        """The id of a row with these values, which is added if it is new."""
        if values not in known:
            columns = {"source": "name = ? AND licence = ?", "filters": "passed = ?"}[table]
            number = self.database.value(f"SELECT id FROM {table} WHERE {columns}", values)
            if number is None:
                number = self.database.insert(table, (self.database.value(f"SELECT COALESCE(MAX(id), 0) + 1 FROM {table}"), *values))
            known[values] = number
        return known[values]


# ---- tokens


@_reported
def tokenize(path: str, vocab: int, tokenizer: Optional[Tokenizer] = None, threads: int = 2, progress: bool = True) -> None:
    """Give every chunk its tokens in a vocabulary of `vocab` tokens; goes on where it was killed.

    The tokenizer is the one given, or the one that is in the database, or one that is trained on all documents of the train split.
    """
    if tokenizer is None and not MIN_VOCAB <= vocab <= MAX_VOCAB:
        raise UsageError(f"--vocab {vocab}: choose {MIN_VOCAB} to {MAX_VOCAB}")
    with Database(path, write=True) as database:
        stored = database.tokenizer(vocab)
        if stored is not None:
            if tokenizer not in (None, stored):
                raise UserError(f"{path}: has tokens of another tokenizer with {vocab} tokens; build another database for this one")
            tokenizer = stored
        else:
            if tokenizer is None:
                tokenizer = train_tokenizer((text for _, text in database.texts("split = 'train'")), vocab, progress)
            with database.transaction():
                database.insert("tokenizer", (vocab, tokenizer.to_bytes(), 0))
        last = database.value("SELECT COALESCE(MAX(chunk), 0) FROM tokens WHERE vocab = ?", (vocab,))
        total = database.value("SELECT COALESCE(SUM(characters), 0) FROM chunk WHERE id > ?", (last,))
        end = np.array([tokenizer.end_of_text], dtype=TOKEN).tobytes()
        with Progress("encoding", total, "characters", progress) as shown:
            while True:
                rows, texts, size = [], [], 0
                for number, packed, dictionary, is_last in database.rows(
                    (int, bytes, (int, type(None)), int),
                    "SELECT chunk.id, packed, dictionary, number = chunks - 1 FROM chunk JOIN document ON document.id = chunk.document "
                    "WHERE chunk.id > ? ORDER BY chunk.id", (last,),
                ):  # fmt: skip
                    texts.append(database.unpack(packed, dictionary))
                    rows.append((number, is_last))
                    size += len(texts[-1])
                    if size >= ENCODE_CHARACTERS:
                        break
                if not rows:
                    break
                with database.transaction():
                    for (number, is_last), ids in zip(rows, tokenizer.encode_documents(texts, threads)):
                        data = ids.astype(TOKEN).tobytes() + (end if is_last else b"")
                        database.insert("tokens", (vocab << VOCAB_SHIFT | number, vocab, number, len(data) // 2, data))
                last = rows[-1][0]
                shown.add(size)
        with database.transaction():
            database.replace("tokenizer", (vocab, tokenizer.to_bytes(), 1))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# ---- checking


def verify(path: str, progress: bool = True) -> list[str]:
    """What is wrong with the database, one line for each finding, at most 100; nothing if all is well.

    SQLite's integrity check finds damaged structures, the checksums damaged content, and the last part contradictions: a chunk that
    is missing, tokens that are not the chunk's text.
    """
    found: list[str] = []
    try:
        with Database(path) as database:
            found += [f"structure: {line}" for (line,) in database.execute("PRAGMA integrity_check(20)") if line != "ok"]
            lost = database.execute("PRAGMA foreign_key_check").fetchmany(20)
            found += [f"reference: {table} row {row} names a {parent} that is not there" for table, row, parent, _ in lost]
            for table in TABLES:
                found += _verify_rows(database, table, progress)
                if len(found) >= 100:
                    break
            found += _verify_documents(database, progress)
            for (vocab,) in list(database.rows((int,), "SELECT vocab FROM tokenizer")):
                found += _verify_tokens(database, vocab, progress)
    except sqlite3.Error as error:
        found.append(f"structure: {error}")
    except UserError as error:
        if not os.path.isfile(path):
            raise
        found.append(str(error))
    except ValueError as error:
        found.append(f"content: {error}")
    return found[:100]


def _verify_rows(database: Database, table: str, progress: bool) -> list[str]:
    found = []
    with Progress(f"checking {table}", None, "rows", progress) as shown:
        for row in database.execute(f"SELECT rowid, * FROM {table}"):
            shown.add(1)
            if checksum(row[1:-1]) != row[-1]:
                found.append(f"{table}: row {row[0]} does not match its checksum")
                if len(found) == 20:
                    break
    return found


def _verify_documents(database: Database, progress: bool) -> list[str]:
    """Each document's chunks are there and make its text."""
    found = []
    expected = database.execute("SELECT id, name, bytes FROM document ORDER BY id")
    with Progress("checking texts", None, "documents", progress) as shown:
        texts = database.texts()
        for number, name, size in expected:
            shown.add(1)
            got, text = next(texts, (None, ""))
            data = text.encode("utf-8")
            if got != number or len(data) != size or _name(data) != name:
                found.append(f"document: {number} is not the text that was put in")
                break  # from here on they are out of step
    return found


def _verify_tokens(database: Database, vocab: int, progress: bool) -> list[str]:
    """Each chunk has its tokens, which are its text."""
    tokenizer = database.tokenizer(vocab)
    assert tokenizer is not None, "its number was just read"
    pieces = tokenizer.token_bytes
    found = []
    with Progress(f"checking tokens of vocabulary {vocab}", None, "chunks", progress) as shown:
        for number, packed, dictionary, count, ids in database.rows(
            (int, bytes, (int, type(None)), (int, type(None)), (bytes, type(None))),
            "SELECT chunk.id, packed, dictionary, count, ids FROM chunk LEFT JOIN tokens ON tokens.id = ? | chunk.id ORDER BY chunk.id",
            (vocab << VOCAB_SHIFT,),
        ):
            shown.add(1)
            if ids is None:
                found.append(f"tokens: chunk {number} has none of vocabulary {vocab}; run `db tokenize` again")
                break
            tokens = np.frombuffer(ids, dtype=TOKEN).tolist()
            known = count == len(tokens) and max(tokens, default=0) < vocab
            if not known or b"".join([pieces[token] for token in tokens]).decode("utf-8") != database.unpack(packed, dictionary):
                found.append(f"tokens: those of chunk {number} in vocabulary {vocab} are not its text")
                if len(found) == 20:
                    break
    return found


# ---- the commands

STATISTICS = {
    "sources": "SELECT * FROM overview",
    "quality": "SELECT split, "
    + ", ".join(f"ROUND(MIN({name}), 3) || ' … ' || ROUND(AVG({name}), 3) || ' … ' || ROUND(MAX({name}), 3) AS {name}" for name in QUALITY)
    + " FROM document GROUP BY split",
    "storage": "SELECT COUNT(*) AS chunks, SUM(characters) AS characters, SUM(LENGTH(packed)) AS packed_bytes, "
    "ROUND(1.0 * SUM(characters) / SUM(LENGTH(packed)), 2) AS characters_per_packed_byte FROM chunk",
    "tokens": "SELECT tokens.vocab, split, COUNT(*) AS chunks, SUM(count) AS tokens, ROUND(1.0 * SUM(chunk.characters) / SUM(count), 3) AS "
    "characters_per_token FROM tokens JOIN chunk ON chunk.id = tokens.chunk JOIN document ON document.id = chunk.document GROUP BY tokens.vocab, split",
}


@_reported
def stats(path: str, sql: str = "") -> None:
    """Print the tables of STATISTICS, or the answer to a query."""
    with Database(path) as database:
        for title, query in {"": sql}.items() if sql else STATISTICS.items():
            cursor = database.execute(query)
            head = [column[0] for column in cursor.description or ()]
            rows = [[_cell(cell) for cell in row] for row in cursor]
            widths = [max(map(len, column)) for column in zip(head, *rows)]
            if title:
                print(title)
            for row in [head, *rows]:
                print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
            print()


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


@_reported
def sample(path: str, count: int, where: str, seed: int) -> None:
    """Print some documents, drawn by lot, with where they came from."""
    with Database(path) as database:
        numbers = [
            row[0] for row in database.execute(f"SELECT document.id FROM document JOIN source ON source.id = document.source WHERE {where}")
        ]
        if not numbers:
            raise UserError(f"{path}: no document for which {where}")
        for number in random.Random(seed).sample(numbers, min(count, len(numbers))):
            head = next(database.rows(
                (str, str, str, int, str, float),
                "SELECT source.name, licence, origin, place, split, words FROM document JOIN source ON source.id = document.source "
                "WHERE document.id = ?", (number,),
            ))  # fmt: skip
            print(f"--- document {number}: {head[0]} ({head[1]}), {head[2]}:{head[3]}, {head[4]}, {head[5]:.0f} words")
            _, text = next(database.texts("document.id = ?", (number,)), (0, None))
            if text is None:
                raise database.foreign(f"document {number} without a text")
            print(text + "\n")


@_reported
def export(path: str, output: str, where: str) -> int:
    """Write documents as text, each followed by a line <|endoftext|>; .zst by the name. Returns how many there were."""
    count = 0
    if os.path.realpath(path) == os.path.realpath(output):
        raise UsageError(f"-o {output}: is the database itself; choose another file")
    with Database(path) as database, atomic_file(output) as file:
        packer = (
            zstandard.ZstdCompressor(level=PACK_LEVEL, write_checksum=True).stream_writer(file, closefd=False)
            if output.endswith(".zst")
            else None
        )
        for _, text in database.texts(where):
            (packer or file).write(f"{text}\n{END_OF_TEXT}\n".encode())
            count += 1
        if packer:
            packer.close()
        if not count:
            raise UserError(f"{path}: no document for which {where}")
    return count


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.corpus db",
        "Build, look into and check the training database.",
        "python -m fable6c.corpus db build clean/ -o corpus.db && python -m fable6c.corpus db tokenize corpus.db --vocab 4096",
    )
    commands = parser.subcommands()

    def command(name: str, purpose: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=purpose[0].lower() + purpose[1:-1], purpose=purpose, example=f"python -m fable6c.corpus db {example}"
        )

    one = command("build", "Put cleaned folders into a database; goes on after an interruption.", "build clean/ -o corpus.db")
    one.add_argument("inputs", nargs="+", metavar="DIR", help="folders that `clean` made")
    one.add_argument("-o", "--output", required=True, metavar="DB", help="the database; further sources can be added later")
    one.add_argument("--valid", type=float, default=0.005, metavar="SHARE", help="share of the documents to hold out (default 0.005)")
    one = command("tokenize", "Give the chunks their tokens; goes on after an interruption.", "tokenize corpus.db --vocab 4096")
    one.add_argument("database", metavar="DB")
    one.add_argument("--vocab", type=int, default=4096, metavar="V", help="size of the vocabulary: the preset's (default 4096)")
    one.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.f6t instead of one that is trained on the database")
    one.add_argument("--threads", type=int, default=2)
    one = command(
        "stats", "Print statistics, or the answer to a query.", 'stats corpus.db --sql "SELECT origin, words FROM document LIMIT 5"'
    )
    one.add_argument("database", metavar="DB")
    one.add_argument("--sql", default="", help="a query (tables: overview, document, source, chunk, tokens, filters)")
    one = command("sample", "Print documents drawn by lot.", 'sample corpus.db -n 3 --where "words < 100"')
    one.add_argument("database", metavar="DB")
    one.add_argument("-n", type=int, default=3, help="how many (default 3)")
    one.add_argument("--where", default="1", metavar="SQL", help="condition over document and source")
    one.add_argument("--seed", type=int, default=1)
    one = command("export", "Write documents as text.", "export corpus.db -o valid.txt --where \"split = 'valid'\"")
    one.add_argument("database", metavar="DB")
    one.add_argument("-o", "--output", required=True, metavar="FILE", help="text, or .zst")
    one.add_argument("--where", default="1", metavar="SQL", help="condition over document and source")
    one = command("verify", "Check every row of a database.", "verify corpus.db")
    one.add_argument("database", metavar="DB")
    options = parser.parse_args(argv)
    if options.command == "build":
        if not 0 <= options.valid < 1:
            raise UsageError(f"--valid {options.valid}: expected 0 to 1")
        started = time.monotonic()
        build(options.output, options.inputs, options.valid)
        with Database(options.output) as database:
            counts = database.execute(
                "SELECT COUNT(*), COALESCE(SUM(chunks), 0), COALESCE(SUM(characters), 0), COALESCE(SUM(split = 'valid'), 0) FROM document"
            ).fetchone()
        print(
            f"{options.output}: {counts[0]:,} documents, {counts[3]:,} of them held out, {counts[1]:,} chunks, {counts[2]:,} characters, "
            f"{time.monotonic() - started:.1f} s"
        )
        if not counts[3] or counts[3] == counts[0]:
            print(
                f"training needs documents on both sides: with {counts[0]:,} documents, build anew with another --valid, e.g. 0.1",
                file=sys.stderr,
            )
        print_next("corpus", "db", "tokenize", options.output)
    elif options.command == "tokenize":
        if options.threads < 1:
            raise UsageError(f"--threads {options.threads}: expected at least 1")
        tokenizer = Tokenizer.load(options.tokenizer) if options.tokenizer else None
        vocab = tokenizer.vocab_size if tokenizer else options.vocab
        tokenize(options.database, vocab, tokenizer, options.threads)
        with Database(options.database) as database:
            count = database.value("SELECT SUM(count) FROM tokens WHERE vocab = ?", (vocab,))
        print(f"{options.database}: {count or 0:,} tokens in a vocabulary of {vocab}")
        print_next("train", "--corpus", options.database)
    elif options.command == "stats":
        stats(options.database, options.sql)
    elif options.command == "sample":
        if options.n < 0:
            raise UsageError(f"-n {options.n}: expected 0 or more")
        sample(options.database, options.n, options.where, options.seed)
    elif options.command == "export":
        count = export(options.database, options.output, options.where)
        print(f"{options.output}: {count:,} documents")
    else:
        found = verify(options.database)
        for line in found:
            print(line)
        if found:
            raise UserError(f"{options.database}: is damaged; build it anew, or take a copy from before")
        print(f"{options.database}: every row is as it was written")
