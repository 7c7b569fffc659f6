// Generated from the tables in fable6c/model/ by `python -m fable6c.model.layout`; do not edit.
//
// The dimensions of a model and their limits, and what can be wrong. It imports nothing.

// ---- The file and its limits ----

export const HEADER_BYTES: u32 = 64;
export const MAGIC: u64 = 0x0a1a0a0d43364689;
export const NEWEST_VERSION: u32 = 3;
export const MAX_CARD_BYTES: u32 = 65536;
export const MAX_RAW_BYTES: u64 = 1073741824;
export const FREE_BYTES: u64 = 1048576;
export const CONTENT_RATIO: u64 = 16; // a frame of p bytes holds at most FREE_BYTES + CONTENT_RATIO * p
export const MAX_TEXT_BYTES: u32 = 65536; // that are read at once
export const MAX_MAGNITUDE: f32 = 1024; // of a number in a tensor
export const ROUTED_VERSION: u32 = 3; // of the files with several experts
export const MAX_EXPERTS: u32 = 16;
export const ROUTER_PAIRS: u32 = 2048;
export const ROUTER_FADING: i32 = 7;
export const ROUTER_MARGIN: i32 = 16;
export const ROUTER_SPREAD: i32 = 96;
export const MAX_DIM: u32 = 4096;
export const MAX_LAYERS: u32 = 64;
export const MAX_HIDDEN: u32 = 16384;
export const MAX_TAPS: u32 = 32;
export const MAX_VOCAB: u32 = 65536;
export const MAX_CONTEXT: u32 = 1048576;

// ---- Dimensions ----

export let dim: u32 = 0;
export let layers: u32 = 0;
export let hidden: u32 = 0;
export let taps: u32 = 0;
export let vocab: u32 = 0;
export let context: u32 = 0;
export let copyDim: u32 = 0; // C, the width of queries and keys; 0 in a model that does not copy
export let experts: u32 = 1; // that the file has

/** Takes the dimensions from the header at this address. */
export function readDimensions(header: usize): void {
  dim = load<u32>(header, 12);
  layers = load<u32>(header, 16);
  hidden = load<u32>(header, 20);
  taps = load<u32>(header, 24);
  vocab = load<u32>(header, 28);
  context = load<u32>(header, 32);
  copyDim = load<u32>(header, 8) >= 2 ? (dim + 3) / 4 : 0;
}

/** Takes their number, which the size of the tensors tells. */
export function setExperts(count: u32): void {
  experts = count;
}

/** The name of the first dimension that is out of range, or nothing. */
export function badDimension(): string {
  if (dim - 1 > MAX_DIM - 1) return "dim";
  if (layers - 1 > MAX_LAYERS - 1) return "layers";
  if (hidden - 1 > MAX_HIDDEN - 1) return "hidden";
  if (taps - 1 > MAX_TAPS - 1) return "taps";
  if (vocab - 257 > MAX_VOCAB - 257) return "vocab";
  if (context - 1 > MAX_CONTEXT - 1) return "context";
  return "";
}

/** The dimension with this place in the header. */
export function dimensionAt(place: u32): u32 {
  switch (place) {
    case 0: return dim;
    case 1: return layers;
    case 2: return hidden;
    case 3: return taps;
    case 4: return vocab;
    case 5: return context;
    default: return 0;
  }
}

/** Bytes of a row of trits in the file: five to a byte. */
export function rowBytes(columns: u32): u32 {
  return (columns + 4) / 5;
}

// ---- What can be wrong: docs/model-file.md (1 to 16) and docs/engine.md (32 and up) ----

export const TOO_SHORT = 1;
export const WEB_PAGE = 2;
export const NOT_A_MODEL = 3;
export const TEXT_MODE = 4;
export const NEWER_VERSION = 5;
export const HEADER_CHECKSUM = 6;
export const BAD_DIMENSION = 7;
export const BAD_SIZE = 8;
export const TRUNCATED = 9;
export const TRAILING_BYTES = 10;
export const TOO_LARGE = 11;
export const BAD_FRAME = 12;
export const CONTENT_CHECKSUM = 13;
export const BAD_CARD = 14;
export const BAD_TOKENIZER = 15;
export const BAD_TENSOR = 16;
export const NO_MODEL = 32;
export const TEXT_TOO_LONG = 33;
export const STILL_READING = 34;
export const NO_SUCH_TOKEN = 35;
export const BAD_SAMPLING = 36;

/** The message of an error, with {} for what was found. */
export function template(code: i32): string {
  switch (code) {
    case TOO_SHORT: return "the file has {} bytes, less than the 64 of a model's header: it is empty or truncated; copy or download it again";
    case WEB_PAGE: return "the file starts with \"<\": this is a web page, not a model; download the raw file";
    case NOT_A_MODEL: return "the file does not start as a .f6c model does; give a file made by `python -m fable6c.export`";
    case TEXT_MODE: return "the file was changed by a text-mode transfer (line ends rewritten); transfer it as binary";
    case NEWER_VERSION: return "the model has format version {}, this build reads 1 to 3; get a newer fable6c";
    case HEADER_CHECKSUM: return "the header is damaged (its checksum does not match); copy or download the file again";
    case BAD_DIMENSION: return "the header's {} is out of range; the file is damaged or not made by fable6c";
    case BAD_SIZE: return "the sizes in the header contradict each other ({}); the file is damaged or not made by fable6c";
    case TRUNCATED: return "the file ends early: {} bytes are missing; copy or download it again";
    case TRAILING_BYTES: return "the file has {} bytes after its end; copy or download it again";
    case TOO_LARGE: return "the model needs {} KiB of memory, more than is allowed here; use a smaller model or allow more";
    case BAD_FRAME: return "the compressed part is damaged (not a valid zstd frame with a right checksum); copy or download the file again";
    case CONTENT_CHECKSUM: return "the unpacked content is damaged (its checksum does not match); copy or download the file again";
    case BAD_CARD: return "the model card is not valid UTF-8 text; the file is damaged or not made by fable6c";
    case BAD_TOKENIZER: return "the tokenizer is damaged at token {}; the file is damaged or not made by fable6c";
    case BAD_TENSOR: return "tensor {} holds a value that is not allowed; the file is damaged or not made by fable6c";
    case NO_MODEL: return "no model is loaded; load one first";
    case TEXT_TOO_LONG: return "the text has {} bytes, more than the 65536 that can be read at once; shorten it";
    case STILL_READING: return "{} tokens of the last text are still to be read; step until none is pending";
    case NO_SUCH_TOKEN: return "the model has no token {}";
    case BAD_SAMPLING: return "{} is out of range";
    default: return "";
  }
}
