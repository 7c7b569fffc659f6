// Wishes: the header that a model may have learned to follow, from options or from a line of a chat. docs/asking.md has the rules, and
// fable6c/generate.py those of the options.

import { argument, byte, complain, fail, send, shown, text, warn } from "./cli_host";
import { length_, model, mood, name_, talk, words } from "./cli_options";
import { cardAddress, cardLength } from "./engine";
import { isPart } from "./leaning";
import { PART_AT_FIRST, PART_AT_LAST } from "./memory";

// In a buffer that only the tokenizer uses, between two calls of the engine.
export const HEADER: usize = PART_AT_FIRST; // at most some 250 bytes: three words, each twice, and a name have 20 each
let headerLength: u32 = 0;
let wordCount: u32 = 0;

const MAX_WORDS: u32 = 3, MIN_LETTERS: u32 = 2, MAX_LETTERS: u32 = 20;
const HEADING: u32 = 1, TEXT: u32 = 2;
const ASKS = "\"asks\": \""; // how the card names the fields that a model takes

export function isWish(): bool {
  return (words | name_ | mood | talk | length_) != 0;
}

// ---- The model's card

function cardHas(literal: string, from: usize, end: usize): usize {
  let length = <usize>literal.length;
  for (let at = from; at + length <= end; at++) {
    let i: usize = 0;
    while (i < length && load<u8>(at + i) == <u8>literal.charCodeAt(<i32>i)) i++;
    if (i == length) return at + length;
  }
  return 0;
}

/** Whether the model takes this field. */
function takes(field: string): bool {
  let end = cardAddress() + cardLength();
  let from = cardHas(ASKS, cardAddress(), end);
  if (from == 0) return false;
  let close = from;
  while (close < end && load<u8>(close) != 0x22) close++;
  return cardHas(field, from, close) != 0;
}

function mustTake(place: i32, field: string): void {
  if (place == 0 || takes(field)) return;
  complain();
  shown(argument(model));
  text(": this model takes no ");
  shown(argument(place - 1));
  text(" (it was trained on text without headers); begin the story with -p instead");
  fail(1);
}

// ---- The header

function put(value: u32): void {
  store<u8>(HEADER + headerLength++, value);
}

function puts(literal: string): void {
  for (let i = 0; i < literal.length; i++) put(literal.charCodeAt(i));
}

function begin(): void {
  headerLength = wordCount = 0;
  put(HEADING);
}

function finish(): u32 {
  put(TEXT);
  return headerLength;
}

/** A line of the header with the value that stands on the command line. */
function putField(field: string, place: i32): void {
  if (place == 0) return;
  puts(field);
  for (let at = argument(place); load<u8>(at); at++) put(load<u8>(at));
  put(0x0a);
}

function isLetter(character: u32): bool {
  return (character | 0x20) - 0x61 < 26;
}

/** Whether these bytes are a word that one can ask for: 2 to 20 letters of English. */
function isWord(from: usize, length: u32): bool {
  if (length < MIN_LETTERS || length > MAX_LETTERS || !isLetter(load<u8>(from)) || !isLetter(load<u8>(from + length - 1))) return false;
  for (let i: u32 = 0; i < length; i++) if (!isPart(load<u8>(from + i))) return false;
  return true;
}

function small(character: u32): u32 {
  return character - 0x41 < 26 ? character | 0x20 : character;
}

function putWord(from: usize, length: u32): void {
  puts(wordCount++ == 0 ? "Words: " : ", ");
  putSmall(from, length);
  put(0x20);
  putSmall(from, length);
}

function putSmall(from: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) put(small(load<u8>(from + i)));
}

function putName(from: usize, length: u32): void {
  puts("Name: ");
  for (let i: u32 = 0; i < length; i++) put(i == 0 ? load<u8>(from) & 0xdf : load<u8>(from + i));
  put(0x0a);
}

function ignored(from: usize, length: u32, why: string): void {
  complain();
  text("ignored: ");
  for (let i: u32 = 0; i < min<u32>(length, 200); i++) {
    let c: u32 = load<u8>(from + i);
    byte(c < 32 || c == 127 ? 0x3f : c);
  }
  text(why);
  warn();
}

const NO_WORD = " (a word has 2 to 20 letters, a to z)";

/** Writes the header of the wish that the options make and returns its length; says what it leaves out. */
export function wishOfOptions(): u32 {
  mustTake(words, "Words");
  mustTake(name_, "Name");
  mustTake(mood, "Mood");
  mustTake(talk, "Talk");
  mustTake(length_, "Length");
  begin();
  if (words) {
    let at = argument(words);
    while (load<u8>(at)) {
      let from = at;
      while (load<u8>(at) && load<u8>(at) != 0x2c && load<u8>(at) != 0x20) at++;
      let length = <u32>(at - from);
      if (length > 0) {
        if (!isWord(from, length)) ignored(from, length, NO_WORD);
        else if (wordCount == MAX_WORDS) ignored(from, length, " (a wish has at most 3 words)");
        else putWord(from, length);
      }
      if (load<u8>(at)) at++;
    }
    if (wordCount > 0) put(0x0a);
  }
  if (name_) {
    let from = argument(name_), length: u32 = 0;
    while (load<u8>(from + length)) length++;
    if (isWord(from, length)) putName(from, length);
    else ignored(from, length, " (a name is one word of 2 to 20 letters, a to z)");
  }
  putField("Mood: ", mood);
  putField("Talk: ", talk);
  putField("Length: ", length_);
  return headerLength > 1 ? finish() : 0;
}

// ---- A line of a chat

const BEFORE = " tell me please can you a an the one ";
const BETWEEN = " a an the and some with about of in on at by to her his their my our is are was who that has have had called named end ending please it there ";

/** Whether a list of words with spaces around has this one, in letters of any case. */
function has(list: string, from: usize, length: u32): bool {
  for (let start = 0; start + 1 < list.length; ) {
    let i: u32 = 0;
    while (i < length && small(load<u8>(from + i)) == <u32>list.charCodeAt(start + 1 + i)) i++;
    if (i == length && list.charCodeAt(start + 1 + i) == 0x20) return true;
    start++;
    while (list.charCodeAt(start) != 0x20) start++;
  }
  return false;
}

/** Whether the line only asks the model to go on: "and then?", "go on", "what next". */
export function asksOn(from: usize, length: u32): bool {
  while (length > 0 && load<u8>(from) == 0x20) {
    from++;
    length--;
  }
  while (length > 0 && !isLetter(load<u8>(from + length - 1))) length--;
  return same("and then", from, length) || same("go on", from, length) || same("what then", from, length);
}

function same(literal: string, from: usize, length: u32): bool {
  if (length != literal.length) return false;
  for (let i: u32 = 0; i < length; i++) if (small(load<u8>(from + i)) != <u32>literal.charCodeAt(i)) return false;
  return true;
}

const LINE_SIZE: u32 = 256;
const LINE: usize = PART_AT_LAST;
let at: usize = 0; // of the word that `next` has found …
let size: u32 = 0; // … and its length

/** Finds the next word of the line. False at the end. */
function next(end: usize): bool {
  at += size;
  while (at < end && !isLetter(load<u8>(at))) at++;
  size = 0;
  while (at + size < end && isPart(load<u8>(at + size))) size++;
  while (size > 0 && !isLetter(load<u8>(at + size - 1))) size--;
  return size > 0;
}

/**
 * Writes the header of a line such as "a sad story about a dragon and a spoon" and returns its length, 0 for a line that is no wish.
 * Before "story" stand only "tell me", "please", an article, happy, sad, short, middle or long; after it about, with or of.
 */
export function wishOfLine(from: usize, length: u32): u32 {
  if (length > LINE_SIZE) return 0;
  memory.copy(LINE, from, length);
  let end = LINE + length;
  let feeling: usize = 0, feelingSize: u32 = 0, span: usize = 0, spanSize: u32 = 0;
  at = LINE;
  size = 0;
  while (true) {
    if (!next(end)) return 0;
    if (same("story", at, size)) break;
    if (has(" happy sad ", at, size)) {
      feeling = at;
      feelingSize = size;
    } else if (has(" short middle long ", at, size)) {
      span = at;
      spanSize = size;
    } else if (!has(BEFORE, at, size)) return 0;
  }
  if (!next(end) || !has(" about with of ", at, size)) return 0;
  if (!takes("Words")) {
    text("(This model takes no wishes; your line begins the story.)\n");
    send();
    return 0;
  }
  begin();
  let hero: usize = 0, heroSize: u32 = 0, calls = false;
  while (next(end)) {
    let ends = has(" happy sad ", at, size) && endFollows(end);
    if (ends) {
      feeling = at;
      feelingSize = size;
    } else if (hero == 0 && isWord(at, size) && (calls || load<u8>(at) < 0x61)) {
      hero = at;
      heroSize = size;
    } else if (wordCount < MAX_WORDS && isWord(at, size) && !has(BETWEEN, at, size)) putWord(at, size);
    calls = has(" called named ", at, size);
  }
  if (wordCount > 0) put(0x0a);
  if (hero != 0 && takes("Name")) putName(hero, heroSize);
  if (feelingSize > 0 && takes("Mood")) putValue("Mood: ", feeling, feelingSize);
  if (spanSize > 0 && takes("Length")) putValue("Length: ", span, spanSize);
  if (headerLength == 1) return 0;
  showHeader();
  return finish();
}

/** What has been understood, each word once: a space after a letter comes before its second time. */
function showHeader(): void {
  text("(");
  let again = false;
  for (let i: u32 = 1; i < headerLength; i++) {
    let c: u32 = load<u8>(HEADER + i);
    if (c == 0x0a || c == 0x2c) again = false;
    else if (c == 0x20 && isLetter(load<u8>(HEADER + i - 1))) again = true;
    if (again) continue;
    if (c != 0x0a) byte(c);
    else if (i + 1 < headerLength) text("; ");
  }
  text(")\n");
  send();
}

/** Whether the word after this one is "end" or "ending". */
function endFollows(end: usize): bool {
  let place = at + size;
  while (place < end && !isLetter(load<u8>(place))) place++;
  let length: u32 = 0;
  while (place + length < end && isLetter(load<u8>(place + length))) length++;
  return has(" end ending ", place, length);
}

function putValue(field: string, from: usize, length: u32): void {
  puts(field);
  putSmall(from, length);
  put(0x0a);
}
