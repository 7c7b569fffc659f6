// The command line: what was asked for, or one line that says what is wrong with it.

import { argument, byte, bytes, complain, countArguments, equals, exit, fail, number, send, shown, text } from "./cli_host";
import { message, messageSize, sampling } from "./engine";

export let model: i32 = 0; // places on the command line
export let prompt: i32 = 0; // 0: none was given
export let tokens: u32 = 0; // 0: -n was not given
export let temperature: f32 = 0.8;
export let topK: u32 = 40;
export let topP: f32 = 1;
export let penalty: f32 = 2.5;
export let seed: u32 = 1;
export let words: i32 = 0; // places of a wish's values; 0: not asked
export let name_: i32 = 0;
export let mood: i32 = 0;
export let talk: i32 = 0;
export let length_: i32 = 0;
export let bench = false;
export let selftest = false;

const DASH = 0x2d;

function help(): void {
  text("Tell stories with a model that `python -m fable6c.export` made.\n\n");
  text("example:\n  fable6c model.f6c -p \"Once upon a time\" -s 7\n\n");
  text("usage: fable6c MODEL [options]\n\n");
  text("  -p TEXT       begin with TEXT and stop after the story; - reads TEXT from standard input.\n");
  text("                Without -p you write together: a line continues the story, an empty line\n");
  text("                lets the model go on, Ctrl-D ends\n");
  text("  --words W,W,W ask for a story with these words, at most three; a model must have learned it\n");
  text("  --name NAME   what its hero is called\n");
  text("  --mood M      how it ends: happy or sad\n");
  text("  --talk T      whether somebody speaks: yes or no\n");
  text("  --length L    short, middle or long\n");
  text("  -n N          tokens to make at most, 1 to 1000000; a story ends earlier where the model ends it\n");
  text("                (1000; 200 for a turn without -p and for --bench)\n");
  text("  -t T          temperature, 0 or 0.01 to 100; 0 always takes the likeliest token (0.8)\n");
  text("  -k K          choose among the K likeliest tokens, 0 to 65536; 0 is all of them (40)\n");
  text("  --top-p P     choose among the likeliest tokens that together have this share, up to 1 (1)\n");
  text("  --penalty R   make a word less likely in the sentence that has said it, 0 to 10 (2.5)\n");
  text("  -s SEED       0 to 4294967295; the same seed tells the same story on every machine (1)\n");
  text("  --bench       measure loading, reading and telling\n");
  text("  --selftest    print a digest of the model's output at each token of a fixed text (or of -p)\n");
  text("  --help        show this\n");
  send();
  exit(0);
}

/** Reads the command line into the variables above; a mistake ends the program with status 2. */
export function readOptions(): void {
  let count = countArguments();
  let i = 1;
  while (i < count) {
    let name = argument(i);
    let option = i++;
    if (equals(name, "--help") || equals(name, "-h")) help();
    else if (equals(name, "--bench")) bench = true;
    else if (equals(name, "--selftest")) selftest = true;
    else if (equals(name, "-p")) prompt = value(i++, count);
    else if (equals(name, "-n")) tokens = whole(value(i++, count), 1, 1000000);
    else if (equals(name, "-k")) topK = whole(value(i++, count), 0, 65536);
    else if (equals(name, "-s")) seed = whole(value(i++, count), 0, u32.MAX_VALUE);
    else if (equals(name, "--words")) words = value(i++, count);
    else if (equals(name, "--name")) name_ = value(i++, count);
    else if (equals(name, "--mood")) mood = oneOf(value(i++, count), "happy", "sad", "");
    else if (equals(name, "--talk")) talk = oneOf(value(i++, count), "yes", "no", "");
    else if (equals(name, "--length")) length_ = oneOf(value(i++, count), "short", "middle", "long");
    else if (equals(name, "-t")) check(i, sampling((temperature = decimal(value(i++, count))), 0, 1, 1));
    else if (equals(name, "--top-p")) check(i, sampling(0, 0, (topP = decimal(value(i++, count))), 1));
    else if (equals(name, "--penalty")) check(i, sampling(0, 0, 1, (penalty = decimal(value(i++, count)))));
    else if (load<u8>(name) == DASH) {
      complain();
      text("unknown option ");
      shown(name);
      text("; the options are -p -n -t -k --top-p --penalty -s --words --name --mood --talk --length --bench --selftest --help");
      fail(2);
    } else if (model == 0) model = option;
    else {
      complain();
      text("two models, ");
      shown(argument(model));
      text(" and ");
      shown(argument(option));
      text("; name one, and put a text of several words in quotes");
      fail(2);
    }
  }
  if (model == 0) {
    complain();
    text("name a model file, as in: fable6c model.f6c -p \"Once upon a time\"; see --help");
    fail(2);
  }
}

/** The place `i` of the value of the option before it. */
function value(i: i32, count: i32): i32 {
  if (i == count) {
    complain();
    shown(argument(i - 1));
    text(" needs a value after it; see --help");
    fail(2);
  }
  return i;
}

/** The place `i` of a value that must be one of these, of which the last may be empty. */
function oneOf(i: i32, first: string, second: string, third: string): i32 {
  let given = argument(i);
  if (equals(given, first) || equals(given, second) || (third.length > 0 && equals(given, third))) return i;
  complainAbout(i);
  text("give ");
  text(first);
  if (third.length > 0) {
    text(", ");
    text(second);
  }
  text(" or ");
  text(third.length > 0 ? third : second);
  fail(2);
  return 0;
}

function complainAbout(i: i32): void {
  complain();
  shown(argument(i - 1));
  byte(0x20);
  shown(argument(i));
  text(": ");
}

/** A rejected setting: the engine's words, after the option and its value. */
function check(i: i32, code: i32): void {
  if (code == 0) return;
  complainAbout(i);
  bytes(message(), messageSize());
  fail(2);
}

function isDigit(character: u32): bool {
  return character - 0x30 < 10;
}

function whole(i: i32, low: u32, high: u32): u32 {
  let at = argument(i);
  let result: u64 = 0;
  let good = load<u8>(at) != 0;
  for (; load<u8>(at); at++) {
    good = good && isDigit(load<u8>(at));
    result = min<u64>(10 * result + load<u8>(at) - 0x30, u64.MAX_VALUE / 20);
  }
  if (!good || result < low || result > high) {
    complainAbout(i);
    text("give a whole number from ");
    number(low);
    text(" to ");
    number(high);
    fail(2);
  }
  return <u32>result;
}

/**
 * A number such as 0.8, rounded as if exactly: up to seven digits are a whole number below 2^24, which f32 holds, as it does
 * the powers of ten up to 10^10; so the one division rounds once, as Python's float32 of the same text does.
 */
function decimal(i: i32): f32 {
  let at = argument(i);
  let digits: u32 = 0, result: u32 = 0, power: f32 = 1, point = false, good = false;
  for (; load<u8>(at); at++) {
    let character: u32 = load<u8>(at);
    if (character == 0x2e && !point) {
      point = true;
      continue;
    }
    good = isDigit(character);
    if (result > 0 || character != 0x30) digits++;
    if (!good || digits > 7) break;
    result = 10 * result + character - 0x30;
    if (point) power *= 10;
  }
  if (power > <f32>1e10 && result > 0) good = false; // more decimals than f32 has powers of ten exactly
  if (!good || digits > 7) {
    complainAbout(i);
    text("give a number such as 0.8, of at most 7 digits");
    fail(2);
  }
  return <f32>result / power;
}
