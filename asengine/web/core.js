/** The engine with a voice: runs in a Worker where there is one, else between timers in the page. It takes messages, the calls of
    fable6.js, and posts messages: ready, loaded, sha256, text, end, choices, error. `fallback` makes the engine in plain JavaScript, `wasm64` is
    the WebAssembly module in base64. Returns the function that takes a message. */
function core(post, fallback, wasm64) {
  var MEMORY_LIMIT_KIB = 1 << 20; // as the command line's
  var TOO_LARGE = 11; // docs/model-file.md
  var END = -1; // what step() returns at the end of a story
  var VOCAB = 4; // the place of the vocabulary's size among the dimensions
  var SPACE = 0x20;
  var LONGEST_WORD = 8; // tokens
  var SLICE = 30; // ms of work before messages are looked at, and before a page without Worker may repaint

  var engine = null; // the module's exports
  var model = false; // one is loaded
  var sampling = null; // the story's settings, as a list of arguments
  var story = null; // what is being told: {id, left, tokens, seconds, pieces}
  var unread = []; // texts in UTF-8 that the model has not read yet
  var turns = []; // of the story, that are still to come
  var chosen = []; // {id, piece}: tokens that a turn puts in place of the model's
  var said = []; // all that the story read: texts, and the ids of its tokens
  var tokenAt = []; // where in it the story's tokens are
  var ended = false; // the model ended the story
  var astray = false; // the engine read something else since
  var rerun = []; // what it has to read again
  var looking = null; // {message, then: what to do when the engine has read `rerun`, list, at}
  var loading = null; // {message, bytes, then: what to do afterwards}
  var hashing = null;

  // ---- Opening the engine ----

  function open(done) {
    function plain() {
      done(fallback(completeMath(Math)), "JavaScript");
    }
    if (typeof WebAssembly !== "object" || !WebAssembly.instantiate) return plain();
    var module = fromBase64(wasm64),
      exports;
    // At once in a Worker, where WebKit 2.50 may forget a promise; a promise in a page, where Chromium before 115 allows nothing else.
    if (typeof importScripts === "undefined") {
      WebAssembly.instantiate(module).then(function (result) {
        done(result.instance.exports, "WebAssembly");
      }, plain);
      return;
    }
    try {
      exports = new WebAssembly.Instance(new WebAssembly.Module(module)).exports;
    } catch (error) {
      return plain(); // a policy forbids it
    }
    done(exports, "WebAssembly");
  }

  /** Math, with the functions of ECMAScript 6 that the fallback needs. */
  function completeMath(old) {
    if (old.fround && old.imul && old.clz32 && old.trunc) return old;
    // Two views: the compiler of WebKit in 2014 takes what it reads from the one it wrote for the number before rounding.
    var rounded = new Float32Array(1),
      read = new Float32Array(rounded.buffer);
    return {
      abs: old.abs,
      min: old.min,
      max: old.max,
      floor: old.floor,
      ceil: old.ceil,
      sqrt: old.sqrt,
      fround: function (x) {
        rounded[0] = x;
        return read[0];
      },
      imul: function (a, b) {
        return ((a & 0xffff) * b + ((((a >>> 16) * b) & 0xffff) << 16)) | 0;
      },
      clz32: function (x) {
        var n = 32;
        for (x >>>= 0; x > 0; x >>>= 1) n--;
        return n;
      },
      trunc: function (x) {
        return x < 0 ? old.ceil(x) : old.floor(x);
      }
    };
  }

  // ---- Bytes and text ----

  function fromBase64(text) {
    var values = new Uint8Array(128),
      i,
      at = 0;
    var digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (i = 0; i < 64; i++) values[digits.charCodeAt(i)] = i;
    var length = text.length;
    while (text.charCodeAt(length - 1) === 0x3d) length--; // =
    var bytes = new Uint8Array(Math.floor((length * 3) / 4));
    for (i = 0; i < length; i += 4) {
      var word =
        (values[text.charCodeAt(i)] << 18) |
        (values[text.charCodeAt(i + 1)] << 12) |
        (values[text.charCodeAt(i + 2) & 127] << 6) |
        values[text.charCodeAt(i + 3) & 127]; // past the end: NaN & 127 is 0
      bytes[at++] = word >> 16;
      bytes[at++] = word >> 8; // beyond the array's end nothing is stored
      bytes[at++] = word;
    }
    return bytes;
  }

  /** UTF-8; half a surrogate pair becomes U+FFFD. */
  function toUtf8(text) {
    text = text.replace(/[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uD800-\uDFFF]/g, function (found) {
      return found.length === 2 ? found : "\uFFFD";
    });
    var binary = unescape(encodeURIComponent(text)),
      bytes = new Uint8Array(binary.length);
    for (var i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  function memory() {
    return new Uint8Array(engine.memory.buffer); // taken anew each time: loading may have moved it
  }

  /** The engine gives whole characters only. */
  function textAt(address, length) {
    var bytes = memory(),
      at = address >>> 0,
      end = at + length,
      text = "";
    while (at < end) {
      var code = bytes[at++],
        more = code < 0xc0 ? 0 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;
      if (more > 0) code &= 0x3f >> more;
      for (; more > 0; more--) code = (code << 6) | (bytes[at++] & 0x3f);
      if (code >= 0x10000) {
        text += String.fromCharCode(0xd7c0 + (code >> 10));
        code = 0xdc00 | (code & 0x3ff);
      }
      text += String.fromCharCode(code);
    }
    return text;
  }

  // ---- Work in slices ----

  function now() {
    return typeof performance === "object" && performance.now ? performance.now() : new Date().getTime();
  }

  function schedule() {
    if (!schedule.timer) schedule.timer = setTimeout(slice, 0);
  }

  function slice() {
    schedule.timer = 0;
    guarded(function () {
      if (loading !== null) {
        loadSlice();
        if (loading !== null || hashing !== null) schedule();
        return;
      }
      var more = story !== null ? tellSlice() || looking !== null : looking !== null && lookSlice();
      if (hashing !== null) more = hashSlice() || more;
      if (more) schedule();
    });
  }

  function guarded(action) {
    try {
      action();
    } catch (error) {
      story = looking = hashing = loading = null;
      model = false;
      fail(0, "the engine failed (" + error.message + "); reload the page");
    }
  }

  function fail(code, message, id, file) {
    post({ type: "error", code: code, message: message, id: id, file: file });
  }

  function engineFails(code, id, file) {
    fail(code, textAt(engine.message(), engine.message_length()), id, file);
  }

  // ---- Loading ----

  /** message: file (a number that the answers carry), data (an ArrayBuffer or base64), sha256 (its digest where it is known). */
  function load(message) {
    story = looking = hashing = loading = null;
    model = false;
    forget();
    var bytes = typeof message.data === "string" ? fromBase64(message.data) : new Uint8Array(message.data);
    var address = engine.file_buffer(bytes.length) >>> 0;
    if (address === 0) return engineFails(TOO_LARGE, undefined, message.file);
    memory().set(bytes, address);
    var code = engine.load_start(bytes.length, MEMORY_LIMIT_KIB);
    if (code !== 0) return engineFails(code, undefined, message.file);
    loading = { message: message, bytes: bytes, then: null };
    schedule();
  }

  /** A part of loading; what came meanwhile is done when the model is there. */
  function loadSlice() {
    var code = engine.load_more();
    if (code > 0) return;
    var done = loading,
      message = done.message;
    loading = null;
    if (code < 0) {
      engineFails(-code, undefined, message.file);
    } else {
      model = true;
      post({ type: "loaded", file: message.file, card: textAt(engine.card(), engine.card_length()), bytes: done.bytes.length });
      if (message.sha256) post({ type: "sha256", file: message.file, sha256: message.sha256 });
      else hashing = { file: message.file, bytes: done.bytes, at: 0, sha256: new Sha256() };
    }
    if (done.then) done.then();
  }

  function hashSlice() {
    var end = now() + SLICE;
    do {
      var next = Math.min(hashing.at + 4096, hashing.bytes.length);
      hashing.sha256.add(hashing.bytes, hashing.at, next);
      hashing.at = next;
    } while (next < hashing.bytes.length && now() < end);
    if (next < hashing.bytes.length) return true;
    post({ type: "sha256", file: hashing.file, sha256: hashing.sha256.digest() });
    hashing = null;
    return false;
  }

  // ---- Telling ----

  function forget() {
    unread = [];
    turns = [];
    chosen = [];
    said = [];
    tokenAt = [];
    rerun = [];
    ended = astray = false;
  }

  /** message: id, header, prompt, seed, temperature, topK, topP, penalty, length, turns (fable6.js says what they are). */
  function tell(message) {
    if (loading !== null) {
      loading.then = function () {
        tell(message);
      };
      return;
    }
    story = looking = null;
    sampling = [message.temperature, message.topK, message.topP, message.penalty];
    var code = engine.reset() || engine.sampling.apply(null, sampling);
    if (code !== 0) return engineFails(code, message.id);
    engine.seed(message.seed);
    forget();
    unread = [toUtf8(message.header + message.prompt)];
    turns = message.turns.slice();
    begin(message);
  }

  /** The same story goes on: message.length tokens more, after the text message.prompt if there is one. */
  function more(message) {
    if (loading !== null) {
      var then = loading.then;
      loading.then = function () {
        if (then) then();
        more(message);
      };
      return;
    }
    if (!model) return engineFails(engine.reset(), message.id);
    looking = null;
    if (ended) said.push(endMark()); // which the engine reads before whatever comes next
    ended = false;
    if (astray) {
      engine.sampling.apply(null, sampling);
      goBack(said);
    }
    astray = false;
    if (message.prompt) unread.push(toUtf8(message.prompt));
    begin(message);
  }

  function begin(message) {
    story = { id: message.id, left: message.length, tokens: 0, seconds: 0, pieces: [] };
    schedule();
  }

  function stop() {
    if (story !== null) finish("stopped", "");
    var then = loading !== null && loading.then;
    if (then)
      loading.then = function () {
        then();
        stop();
      };
  }

  function endMark() {
    return engine.dimension(VOCAB) - 1;
  }

  /** Lets the engine read these parts of the story again, and nothing else. */
  function goBack(parts) {
    engine.reset();
    rerun = parts.slice();
  }

  /** Reads a little of what is to be read again. Returns whether there was anything. */
  function readAgain() {
    if (engine.pending() > 0) {
      engine.step();
    } else if (rerun.length > 0) {
      var part = rerun.shift();
      if (typeof part === "number") {
        engine.run(part);
      } else {
        memory().set(part, engine.text_buffer());
        engine.feed(part.length);
      }
    } else {
      return false;
    }
    return true;
  }

  /** Hands the engine as much unread text as it takes at once, cut before a space: a space only ever begins a piece for the
      tokenizer, so the tokens are those of the whole text. */
  function feed() {
    var capacity = engine.text_capacity(),
      text = unread.shift(),
      cut = text.length;
    if (cut > capacity) {
      cut = capacity - 1;
      while (cut > 0 && text[cut] !== SPACE) cut--;
      if (cut === 0) {
        fail(0, "the text has " + capacity + " bytes without a space, too long a word; shorten it", story.id);
        story = null;
        return;
      }
    }
    memory().set(text.subarray(0, cut), engine.text_buffer());
    engine.feed(cut);
    said.push(text.subarray(0, cut));
    if (cut < text.length) unread.unshift(text.subarray(cut));
  }

  /** The text of some tokens; what is no whole character becomes U+FFFD. */
  function textOf(ids) {
    var binary = "";
    for (var i = 0; i < ids.length; i++) {
      var length = engine.token_text(ids[i]),
        bytes = memory(),
        at = engine.text_buffer();
      for (var end = at + length; at < end; at++) binary += String.fromCharCode(bytes[at]);
    }
    try {
      return decodeURIComponent(escape(binary));
    } catch (error) {
      return binary.replace(/[\x80-\xff]+/g, "\uFFFD");
    }
  }

  function note(id, piece) {
    tokenAt.push(said.length);
    said.push(id);
    story.pieces.push(piece);
    story.tokens++;
  }

  function tellSlice() {
    var text = "",
      started = now(),
      time = started;
    for (; time - started < SLICE; time = now()) {
      if (readAgain()) continue;
      if (unread.length > 0) {
        feed();
        if (story === null) return false;
        continue;
      }
      if (story.left === 0) return finish("length", text);
      if (chosen.length === 0 && turns.length > 0 && turns[0].at <= tokenAt.length) {
        if (!takeTurn(turns.shift())) return false;
        continue;
      }
      story.left--;
      var before = now(),
        piece = chosen.length > 0 ? chosenToken() : ownToken();
      story.seconds += (now() - before) / 1000;
      if (piece === null) {
        ended = true;
        return finish("end", text);
      }
      text += piece;
    }
    if (text !== "") {
      post(spoken("text", text));
      story.pieces = [];
    }
    return true;
  }

  /** A message with what was told. */
  function spoken(type, text) {
    return {
      type: type,
      id: story.id,
      text: text,
      tokens: story.tokens,
      seconds: story.seconds,
      pieces: story.pieces,
      expert: engine.expert()
    };
  }

  /** Returns whether the turn could be taken: a token may be another model's. */
  function takeTurn(turn) {
    if (!turn.tokens) {
      unread.push(toUtf8(turn.text));
      return true;
    }
    var text = textOf(turn.tokens);
    for (var i = 0; i < turn.tokens.length; i++) {
      if (turn.tokens[i] > endMark()) {
        engineFails(engine.run(turn.tokens[i]), story.id);
        story = null;
        return false;
      }
      chosen.push({ id: turn.tokens[i], piece: i === 0 ? text : "" });
    }
    return true;
  }

  /** The next token as the model makes it: its text, or null at the end. */
  function ownToken() {
    var length = engine.step();
    if (length === END) return null;
    var piece = length > 0 ? textAt(engine.text_buffer(), length) : "";
    note(engine.token(), piece);
    return piece;
  }

  /** The next of the tokens that a person chose. The first carries the text of all. */
  function chosenToken() {
    var token = chosen.shift();
    if (token.id === endMark()) return null;
    engine.run(token.id);
    note(token.id, token.piece);
    return token.piece;
  }

  /** reason: "end" (the model ended the story), "length" or "stopped". */
  function finish(reason, text) {
    if (reason === "length") text += textAt(engine.text_buffer(), engine.flush()); // a stopped story may go on within a character
    var last = spoken("end", text);
    last.reason = reason;
    post(last);
    story = null;
    return false;
  }

  // ---- What it nearly said ----

  /** message: ask (a number that the answers carry), place (of a token of the story), count (of the others to list). */
  function look(message) {
    if (loading !== null || !model || message.place >= tokenAt.length) return;
    looking = { message: message, list: [], at: 0, then: weigh, begun: false };
    schedule();
  }

  function lookSlice() {
    var started = now();
    if (!looking.begun) rewind();
    looking.begun = true;
    while (looking !== null && now() - started < SLICE) {
      if (!readAgain()) looking.then();
    }
    return looking !== null;
  }

  /** Takes the engine to the place that is asked about. */
  function rewind() {
    astray = true;
    goBack(said.slice(0, tokenAt[looking.message.place]));
  }

  /** Lists the token that was drawn and the likeliest of the others, with their shares; a temperature of 0 has none and counts as 1. */
  function weigh() {
    var drawn = said[tokenAt[looking.message.place]],
      others = [],
      share = 0;
    engine.sampling(sampling[0] || 1, sampling[1], sampling[2], sampling[3]);
    for (var i = 0, count = engine.candidates(); i < count; i++) {
      var id = engine.candidate(i);
      if (id === drawn) share = engine.share(i);
      else if (others.length < looking.message.count) others.push({ tokens: [id], share: engine.share(i), drawn: false, whole: false });
    }
    looking.list = [{ tokens: [drawn], share: share, drawn: true, whole: true }].concat(others);
    engine.sampling(1, 1, 1, 1); // from here on only the likeliest token is looked at
    nextChoice();
  }

  function nextChoice() {
    var list = looking.list,
      i;
    while (looking.at < list.length && (list[looking.at].whole || !endsInLetter(list[looking.at]))) list[looking.at++].whole = true;
    for (i = 0; i < list.length; i++) {
      list[i].text = textOf(list[i].tokens);
      list[i].end = list[i].tokens[0] === endMark();
    }
    var done = looking.at === list.length;
    post({ type: "choices", ask: looking.message.ask, place: looking.message.place, choices: list, done: done });
    if (done) {
      engine.sampling.apply(null, sampling);
      looking = null;
      return;
    }
    rewind();
    rerun.push(list[looking.at].tokens[0]);
    looking.then = complete;
  }

  function endsInLetter(choice) {
    var ids = choice.tokens;
    return /[A-Za-z\x80-\uffff]$/.test(textOf([ids[ids.length - 1]]));
  }

  /** A token may be the beginning of a word only: the likeliest ones after it make it whole. */
  function complete() {
    engine.candidates();
    var choice = looking.list[looking.at],
      id = engine.candidate(0);
    if (/^(?:[A-Za-z\x80-\uffff]|'[a-z])/.test(textOf([id])) && choice.tokens.length < LONGEST_WORD) {
      choice.tokens.push(id);
      engine.run(id);
      return;
    }
    choice.whole = true;
    nextChoice();
  }

  // ---- Messages ----

  var calls = { load: load, tell: tell, more: more, stop: stop, look: look };

  open(function (exports, kind) {
    engine = exports;
    post({ type: "ready", engine: kind });
  });

  return function (message) {
    guarded(function () {
      calls[message.type](message);
    });
  };
}
