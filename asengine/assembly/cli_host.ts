// The command's outside world: the eleven functions of WASI preview 1 that it uses, and text in and out built on them.
//
// Nothing is allocated. The command line is fetched again whenever it is needed, and lines of output are put together in
// a part of HEAP, which is free between two calls of the engine.

import { HEAP, HEAP_SIZE } from "./memory";

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_sizes_get") declare function args_sizes_get(count: usize, size: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_get") declare function args_get(pointers: usize, text: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get") declare function clock_time_get(clock: i32, precision: i64, time: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_get") declare function fd_prestat_get(fd: i32, prestat: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_dir_name") declare function fd_prestat_dir_name(fd: i32, name: usize, size: u32): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_open") declare function path_open(
  folder: i32, lookup: i32, path: usize, length: u32, flags: i32, rights: i64, inherited: i64, fdflags: i32, fd: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_fdstat_get") declare function fd_fdstat_get(fd: i32, fdstat: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_seek") declare function fd_seek(fd: i32, offset: i64, whence: i32, position: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read") declare function fd_read(fd: i32, vectors: usize, count: i32, done: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write") declare function fd_write(fd: i32, vectors: usize, count: i32, done: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit") declare function proc_exit(status: i32): void;

const STDIN = 0, STDOUT = 1, STDERR = 2;
const FIRST_FOLDER = 3; // WASI's preopened folders have the file numbers from 3 on

// WASI's error numbers that are told apart.
const BADF = 8;
const ISDIR = 31;
const PIPE = 64;
const NOTCAPABLE = 76;

const RESULT: usize = memory.data(64, 8); // what a call writes back: at most an fdstat of 24 bytes and two numbers
const VECTOR = RESULT + 24;
const DONE = RESULT + 32;
const ITSELF: usize = memory.data<u8>([0x2e, 0]); // ".", a folder's own name within it
const DOT = 0x2e, SLASH = 0x2f;
const LONGEST_FOLDER: u32 = 4096;
const INPUT: usize = memory.data(1024); // standard input, read ahead
const INPUT_SIZE = 1024;
let inputAt: u32 = 0;
let inputEnd: u32 = 0;

const POINTERS: usize = HEAP; // u32 for each argument, then the arguments, each with a zero after it
const ARGUMENTS_SIZE = HEAP_SIZE / 2;
const LINE: usize = HEAP + ARGUMENTS_SIZE; // the output being put together
let lineLength: u32 = 0;

// ---- End and time ----

export function exit(status: i32): void {
  proc_exit(status);
  unreachable();
}

/** Time since some moment. */
export function nanoseconds(): u64 {
  clock_time_get(1, 1000, RESULT); // the monotonic clock, to a microsecond
  return load<u64>(RESULT);
}

// ---- Output: put a line together, then send it ----

export function byte(value: i32): void {
  store<u8>(LINE + lineLength++, value);
}

/** A literal; it has ASCII characters only. */
export function text(literal: string): void {
  for (let i = 0, n = literal.length; i < n; i++) byte(literal.charCodeAt(i));
}

export function bytes(address: usize, length: u32): void {
  memory.copy(LINE + lineLength, address, length);
  lineLength += length;
}

export function number(value: u64): void {
  if (value >= 10) number(value / 10);
  byte(0x30 + <i32>(value % 10));
}

/** Sixteen digits. Returns their address. */
export function hex(value: u64): usize {
  for (let shift: i64 = 60; shift >= 0; shift -= 4) {
    let digit = <i32>(value >> shift) & 15;
    byte(digit < 10 ? 0x30 + digit : 0x57 + digit);
  }
  return LINE + lineLength - 16;
}

/** A command-line argument or path as it can be shown in one line: control characters become "?", the rest of a long one "...". */
export function shown(address: usize): void {
  for (let i = 0; load<u8>(address + i); i++) {
    if (i == 200) {
      text("...");
      return;
    }
    let c = load<u8>(address + i);
    byte(c < 32 || c == 127 ? 0x3f : c);
  }
}

export function send(): void {
  let length = lineLength;
  lineLength = 0;
  write(LINE, length);
}

/** Begins the one line that a mistake gets on standard error; `fail` or `warn` ends it. */
export function complain(): void {
  lineLength = 0;
  text("fable6c: ");
}

export function fail(status: i32): void {
  warn();
  exit(status);
}

/** Ends a line that `complain` began, for what is no mistake. */
export function warn(): void {
  byte(0x0a);
  writeTo(STDERR, LINE, lineLength); // where that is impossible too, a status has to do
  lineLength = 0;
}

/** Writes to standard output, at once. */
export function write(address: usize, length: u32): void {
  let error = writeTo(STDOUT, address, length);
  if (error == 0) return;
  if (error == PIPE) exit(1); // the reader, such as `head`, has seen enough
  complain();
  text("standard output cannot be written");
  reason(error);
  fail(1);
}

function writeTo(fd: i32, address: usize, length: u32): i32 {
  while (length > 0) {
    store<u32>(VECTOR, <u32>address);
    store<u32>(VECTOR, length, 4);
    let error = fd_write(fd, VECTOR, 1, DONE);
    if (error != 0) return error;
    address += load<u32>(DONE);
    length -= load<u32>(DONE);
  }
  return 0;
}

/** Adds the meaning of a WASI error number, in brackets. */
function reason(error: i32): void {
  let words = "";
  switch (error) {
    case 2: words = "permission denied"; break;
    case BADF: words = "it is closed"; break;
    case ISDIR: words = "it is a folder"; break;
    case 37: words = "the name is too long"; break;
    case 44: words = "there is no such file"; break;
    case 48: words = "not enough memory"; break;
    case 51: words = "the disk is full"; break;
    case 54: words = "a part of the path is not a folder"; break;
    case 63: case NOTCAPABLE: words = "it is outside the folders that the runtime was given, as by --dir"; break;
  }
  text(" (");
  if (words.length > 0) {
    text(words);
  } else {
    text("WASI error ");
    number(error);
  }
  byte(0x29);
}

// ---- Standard input ----

export function isTerminal(fd: i32): bool {
  return fd_fdstat_get(fd, RESULT) == 0 && load<u8>(RESULT) == 2;
}

/** The next byte of standard input, -1 at its end. */
export function readByte(): i32 {
  if (inputAt == inputEnd) {
    store<u32>(VECTOR, <u32>INPUT);
    store<u32>(VECTOR, INPUT_SIZE, 4);
    let error = fd_read(STDIN, VECTOR, 1, DONE);
    if (error != 0) {
      complain();
      text("standard input cannot be read");
      reason(error);
      text("; give a prompt with -p");
      fail(1);
    }
    inputAt = 0;
    inputEnd = load<u32>(DONE);
    if (inputEnd == 0) return -1;
  }
  return load<u8>(INPUT + inputAt++);
}

// ---- The command line ----

let argumentCount: i32 = 0;

export function countArguments(): i32 {
  args_sizes_get(RESULT, DONE);
  argumentCount = load<u32>(RESULT);
  let size = 4 * argumentCount + load<u32>(DONE);
  if (<u32>size > <u32>ARGUMENTS_SIZE) {
    complain();
    text("the command line is too long (");
    number(size);
    text(" bytes); give the prompt on standard input, with -p -");
    fail(2);
  }
  return argumentCount;
}

/** The address of argument i, ended by a zero; it holds until the engine is called. */
export function argument(i: i32): usize {
  args_get(POINTERS, POINTERS + 4 * argumentCount);
  return load<u32>(POINTERS + 4 * i);
}

export function lengthOf(address: usize): u32 {
  let end = address;
  while (load<u8>(end)) end++;
  return <u32>(end - address);
}

export function equals(address: usize, literal: string): bool {
  let length = literal.length;
  for (let i = 0; i < length; i++) if (load<u8>(address + i) != <u8>literal.charCodeAt(i)) return false;
  return load<u8>(address + length) == 0;
}

// ---- The model file ----

/** Opens argument i, a regular file, for reading; a mistake ends the program. */
export function openFile(i: i32): i32 {
  let path = argument(i);
  let error = openPath(path);
  let fd = load<i32>(RESULT);
  if (error == 0) {
    error = fd_fdstat_get(fd, RESULT);
    let type = load<u8>(RESULT);
    if (error == 0 && type == 3) error = ISDIR;
    if (error == 0 && type != 4) {
      complain();
      shown(path);
      text(": this is a pipe or device; save the model to a file first");
      fail(1);
    }
  }
  if (error != 0) unreadable(path, error);
  return fd;
}

/** The size of the file that argument i names. */
export function fileSize(fd: i32, i: i32): u64 {
  let error = fd_seek(fd, 0, 2, RESULT); // from the end
  let size = load<u64>(RESULT);
  if (error == 0) error = fd_seek(fd, 0, 0, RESULT);
  if (error != 0) unreadable(argument(i), error);
  return size;
}

/** Reads up to `size` bytes of the file that argument i names; fewer come only at its end. */
export function readFile(fd: i32, i: i32, address: usize, size: u32): u32 {
  let read: u32 = 0;
  while (read < size) {
    store<u32>(VECTOR, <u32>(address + read));
    store<u32>(VECTOR, size - read, 4);
    let error = fd_read(fd, VECTOR, 1, DONE);
    if (error != 0) unreadable(argument(i), error);
    if (load<u32>(DONE) == 0) break;
    read += load<u32>(DONE);
  }
  return read;
}

function unreadable(path: usize, error: i32): void {
  complain();
  shown(path);
  text(": cannot read the model");
  reason(error);
  text("; check the path");
  fail(1);
}

/** Opens a path in the preopened folder whose name covers most of it, as wasi-libc does. The number is in RESULT. */
function openPath(path: usize): i32 {
  let best = -1, rest: usize = 0;
  for (let folder = FIRST_FOLDER; fd_prestat_get(folder, RESULT) == 0; folder++) {
    let length = load<u32>(RESULT, 4);
    if (length > LONGEST_FOLDER || fd_prestat_dir_name(folder, LINE, length) != 0) continue;
    store<u8>(LINE + length, 0); // wasm3's names end with a zero already
    let within = restWithin(LINE, path);
    if (within > rest) {
      best = folder;
      rest = within;
    }
  }
  if (best < 0) return NOTCAPABLE;
  if (load<u8>(rest) == 0) rest = ITSELF;
  const READ: i64 = 2, SEEK: i64 = 4;
  return path_open(best, 1, rest, lengthOf(rest), 0, READ | SEEK, 0, 0, RESULT);
}

/** What follows the folder's name in the path, 0 where the path does not lie in the folder. "." and "" hold every relative path. */
function restWithin(folder: usize, path: usize): usize {
  folder = skipDots(folder);
  path = skipDots(path);
  if ((load<u8>(folder) == SLASH) != (load<u8>(path) == SLASH)) return 0;
  let anywhere = load<u8>(folder) == 0;
  while (load<u8>(folder)) {
    if (load<u8>(folder) == SLASH && load<u8>(folder, 1) == 0) break; // in "/" and "stories/" it says nothing more
    if (load<u8>(folder++) != load<u8>(path++)) return 0;
  }
  if (!anywhere && load<u8>(path) != SLASH && load<u8>(path) != 0) return 0;
  while (load<u8>(path) == SLASH) path++;
  return path;
}

/** Without "./" in front; "." becomes "". */
function skipDots(path: usize): usize {
  while (load<u8>(path) == DOT && load<u8>(path, 1) == SLASH) {
    path += 2;
    while (load<u8>(path) == SLASH) path++;
  }
  return load<u8>(path) == DOT && load<u8>(path, 1) == 0 ? path + 1 : path;
}
