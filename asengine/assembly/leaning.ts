// Leaning a story towards what its header asks for: docs/numerics.md, "Leaning".

import { vocab } from "./layout";
import { LOGITS, MAX_SPEECH, MAX_WISHES, SPEECH, WISH_TOKENS, WISHES } from "./memory";
import { closes, recent } from "./sampler";
import { tokenBytes, tokenLength } from "./tokenizer";

const HEADING: u32 = 1, TEXT: u32 = 2; // tokens: where a header begins and ends
const SPACE: u32 = 0x20, NEWLINE: u32 = 0x0a, COLON: u32 = 0x3a, QUOTE: u32 = 0x22;
const LEAST_GAP: f32 = 2;
const GAP_GROWTH: f32 = 0.0625;
const NEVER: f32 = -1e30; // the logit of a token that is not to be drawn
const HAPPY: u32 = 0x68, SAD: u32 = 0x73; // h, s
const MOOD_HURRY: u32 = 2; // so many times as fast grows what is allowed for the mood
const MANY: u32 = 400;
const LATE: u32 = 150;

let read: u32 = 0; // tokens of the text, as far as a header can begin
let inHeader = false;
let leans = false; // a header has been read, and its story has not ended
let lineBegins = false;
let field: u32 = 0; // the first letter of the line's field; 0 once nothing more is wanted of it
let colon = false; // the line's colon has been read
let inWord = false; // the last of the words in WISHES is not yet whole
let words: u32 = 0; // in WISHES: the number of its tokens, 0 once it has come, and these
let missing: u32 = 0; // of them
let speaks = false; // somebody is yet to speak
let silent = false; // nobody may
let mood: u32 = 0; // HAPPY or SAD, as the story is to end, or 0
let moodWord: u32 = 0; // the token that says it
let felt: u32 = 0; // HAPPY or SAD, which the story has said last, or 0
let moodDue = false; // the story would have ended, and did not fit its mood
let closed = false; // the last token may end a sentence
let speechCount: u32 = 0; // tokens in SPEECH
let low: u32 = 0, high: u32 = MANY; // words between which the story may end
let told: u32 = 0; // words of the story
let came = false; // with the last token a word came that was missing
let since: u32 = 0; // tokens since something came that was missing, or the story became long enough
let forced: usize = 0; // the word that has been begun …
let forcedAt: u32 = 0; // … and how many of its tokens have been told

export function clearWishes(): void {
  read = words = missing = told = since = low = mood = felt = 0;
  high = MANY;
  inHeader = leans = inWord = speaks = silent = came = moodDue = false;
  forced = 0;
}

// @ts-ignore: decorator
@inline function wordAt(i: u32): usize {
  return WISHES + 2 * i * (WISH_TOKENS + 1);
}

/** What words are made of: letters, and ' and - between them. */
export function isPart(character: u32): bool {
  return (character | 0x20) - 0x61 < 26 || character == 0x27 || character == 0x2d;
}

/** Takes notice of the next token of the text, which `remember` has. The first is the end mark before it. */
export function follow(id: u32): void {
  if (read < 2) {
    read++;
    if (read == 2) inHeader = lineBegins = id == HEADING;
  } else if (inHeader) followHeader(id);
  else if (leans) followStory(id);
}

function followHeader(id: u32): void {
  if (id == TEXT || tokenLength(id) == 0) {
    closeWord();
    inHeader = false;
    leans = tokenLength(id) > 0;
    findSpeech();
    if (mood != 0) findMood();
    return;
  }
  let first: u32 = load<u8>(tokenBytes(id));
  if (first == NEWLINE) {
    closeWord();
    lineBegins = true;
  } else if (lineBegins) {
    field = first;
    lineBegins = colon = false;
  } else if (field == 0x57 || field == 0x4e) followWord(id, first); // Words, Name
  else if (!colon) colon = first == COLON;
  else if (first != SPACE || tokenLength(id) > 1) {
    setValue(first == SPACE ? load<u8>(tokenBytes(id) + 1) : first);
    field = 0;
  }
}

function followWord(id: u32, first: u32): void {
  let part = isPart(first);
  if (!part) closeWord();
  if (first == SPACE) {
    inWord = words < MAX_WISHES;
    if (inWord) store<u16>(wordAt(words), 0);
  } else if (!part) return;
  if (!inWord) return;
  let size: u32 = load<u16>(wordAt(words));
  if (size < WISH_TOKENS) store<u16>(wordAt(words) + 2 + 2 * size, id);
  store<u16>(wordAt(words), min(size + 1, WISH_TOKENS + 1));
}

/** Keeps the last word, unless it is too long or one of those before it. */
function closeWord(): void {
  if (!inWord) return;
  inWord = false;
  let size: u32 = load<u16>(wordAt(words));
  if (size > WISH_TOKENS) return;
  for (let i: u32 = 0; i < words; i++) if (memory.compare(wordAt(i), wordAt(words), 2 + 2 * size) == 0) return;
  words++;
  missing++;
}

/** The value of Talk, Mood or Length, from its first letter. */
function setValue(letter: u32): void {
  if (field == 0x54) { // Talk
    speaks = letter == 0x79; // yes
    silent = letter == 0x6e; // no
  } else if (field == 0x4d) { // Mood
    mood = letter == HAPPY || letter == SAD ? letter : 0;
  } else if (field == 0x4c) { // Length
    low = letter == 0x6d ? 120 : letter == 0x6c ? 190 : 0; // middle, long
    high = letter == 0x73 ? 70 : letter == 0x6d ? LATE : MANY; // short, middle
  }
}

function findSpeech(): void {
  speechCount = 0;
  for (let id: u32 = 0; id < vocab && speechCount < MAX_SPEECH; id++) {
    if (hasQuote(id)) store<u16>(SPEECH + 2 * speechCount++, id);
  }
}

/** A vocabulary that has no token for the mood leaves it to the model. */
function findMood(): void {
  for (moodWord = 0; moodWord < vocab; moodWord++) if (is(moodWord, mood == HAPPY ? " happy" : " sad")) return;
  mood = 0;
}

/** Nine stories of ten end happily by themselves: one that has said neither fits. */
function fits(): bool {
  return mood == SAD ? felt == SAD : mood == 0 || felt != SAD;
}

function hasQuote(id: u32): bool {
  for (let at = tokenBytes(id), end = at + tokenLength(id); at < end; at++) {
    if (load<u8>(at) == QUOTE) return true;
    if (at + 2 < end && load<u8>(at) == 0xe2 && load<u8>(at + 1) == 0x80 && load<u8>(at + 2) == 0x9c) return true; // U+201C
  }
  return false;
}

function followStory(id: u32): void {
  leans = tokenLength(id) > 0;
  since++;
  if (is(id, " happy") || is(id, " happily")) felt = HAPPY;
  else if (is(id, " sad")) felt = SAD;
  closed = closes(id);
  came = false;
  if (forced != 0 && ++forcedAt == load<u16>(forced)) forced = 0;
  for (let i: u32 = 0; i < words; i++) {
    let size: u32 = load<u16>(wordAt(i)), same: u32 = 0;
    if (size == 0) continue;
    while (same < size && recent(size - same) == load<u16>(wordAt(i) + 2 + 2 * same)) same++;
    if (same < size) continue;
    store<u16>(wordAt(i), 0);
    missing--;
    since = 0;
    came = true;
  }
  if (speaks && hasQuote(id)) {
    speaks = false;
    since = 0;
  }
  if (tokenLength(id) > 0 && load<u8>(tokenBytes(id)) == SPACE && ++told == high) since = 0;
}

/** The host gives the next tokens: a word that was begun is not finished. */
export function letGo(): void {
  forced = 0;
}

/**
 * The next token of something that is missing and whose time has come: its id, or -1 if the sampler is to draw one. From its draw LOGITS
 * then keep what must not come.
 */
export function lean(): i32 {
  if (!leans) return -1;
  if (forced != 0) return load<u16>(forced + 2 + 2 * forcedAt);
  let complete = missing == 0 && !speaks;
  let mayEnd = complete && told >= low;
  if (mayEnd && !fits() && !moodDue && (told >= high || endIsNear())) {
    moodDue = true;
    since = 0;
  }
  if (!complete || told >= high || moodDue) {
    let id = nearest(complete);
    if (id >= 0) return id;
  }
  if (!mayEnd || !fits()) {
    // Where a story would end and may not, a new line or a capital would begin another story.
    if (endIsNear()) for (let id: u32 = 0; id < vocab; id++) if (beginsLine(id)) bar(id);
    bar(vocab - 1);
  }
  if (silent) for (let i: u32 = 0; i < speechCount; i++) bar(load<u16>(SPEECH + 2 * i));
  if (came) for (let id: u32 = 0; id < vocab; id++) if (turnsWord(id)) bar(id);
  return -1;
}

/** Whether a token after a word makes another word of it: letters, but for a regular ending. */
function turnsWord(id: u32): bool {
  let first: u32 = load<u8>(tokenBytes(id));
  if (tokenLength(id) == 0 || (first | 0x20) - 0x61 >= 26) return false;
  return !(is(id, "s") || is(id, "es") || is(id, "d") || is(id, "ed") || is(id, "ing") || is(id, "ly"));
}

function is(id: u32, literal: string): bool {
  if (tokenLength(id) != literal.length) return false;
  for (let i = 0; i < literal.length; i++) if (load<u8>(tokenBytes(id) + i) != <u8>literal.charCodeAt(i)) return false;
  return true;
}

function beginsLine(id: u32): bool {
  if (tokenLength(id) == 0) return false;
  let first: u32 = load<u8>(tokenBytes(id));
  return first == NEWLINE || first - 0x41 < 26;
}

function endIsNear(): bool {
  return highest() - load<f32>(LOGITS + 4 * (vocab - 1)) <= LEAST_GAP;
}

function highest(): f32 {
  let most = load<f32>(LOGITS);
  for (let at: usize = 4, size: usize = 4 * vocab; at < size; at += 4) most = max(most, load<f32>(at, LOGITS));
  return most;
}

function bar(id: u32): void {
  store<f32>(LOGITS + 4 * id, NEVER);
}

/** The likeliest first token of what is missing, or the end mark if nothing is; -1 if another token is likelier by more than is allowed now. */
function nearest(complete: bool): i32 {
  let most = highest();
  let weight: f32 = told < min(high, LATE) / 2 ? 2 : 0.5; // while there is time, more is asked of a word's place
  let least: f32 = Infinity, id: u32 = vocab - 1, word: usize = 0;
  for (let i: u32 = 0; i < words; i++) {
    if (load<u16>(wordAt(i)) == 0) continue;
    let gap = weight * (most - load<f32>(LOGITS + 4 * load<u16>(wordAt(i) + 2)));
    if (gap >= least) continue;
    least = gap;
    word = wordAt(i);
    id = load<u16>(word + 2);
  }
  if (speaks && most - load<f32>(LOGITS + 4 * QUOTE) < least) {
    least = most - load<f32>(LOGITS + 4 * QUOTE);
    word = 0;
    id = QUOTE;
  }
  if (complete && !fits()) {
    least = <f32>0.75 * (most - load<f32>(LOGITS + 4 * moodWord));
    id = moodWord;
  } else if (complete && (closed || !moodDue)) least = <f32>0.5 * (most - load<f32>(LOGITS + 4 * (vocab - 1)));
  let waited = moodDue ? MOOD_HURRY * since : since;
  if (least > LEAST_GAP + GAP_GROWTH * <f32>waited) return -1;
  forced = word;
  forcedAt = 0;
  return id;
}
