/** The engine with a voice: runs in a Worker where there is one, else between timers in the page. It takes messages, the calls of
    fable6.js, and posts messages: ready, loaded, sha256, text, end, error. `fallback` makes the engine in plain JavaScript, `wasm64` is
    the WebAssembly module in base64. Returns the function that takes a message. */
function core(post, fallback, wasm64) {
  var MEMORY_LIMIT_KIB = 1 << 20; // as the command line's
  var TOO_LARGE = 11; // docs/model-file.md
  var END = -1; // what step() returns at the end of a story
  var SPACE = 0x20;
  var SLICE = 30; // ms of work before messages are looked at, and before a page without Worker may repaint

  var engine = null; // the module's exports
  var model = false; // one is loaded
  var story = null; // what is being told: {id, left, tokens, seconds}
  var unread = []; // texts in UTF-8 that the model has not read yet
  var loading = null; // {message, bytes, then: what to do afterwards}
  var hashing = null;

  // ---- Opening the engine ----

  function open(done) {
    function plain() {
      done(fallback(completeMath(Math)), "JavaScript");
    }
    if (typeof WebAssembly !== "object" || !WebAssembly.instantiate) return plain();
    var module = fromBase64(wasm64), exports;
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
    var rounded = new Float32Array(1), read = new Float32Array(rounded.buffer);
    return {
      abs: old.abs, min: old.min, max: old.max, floor: old.floor, ceil: old.ceil, sqrt: old.sqrt,
      fround: function (x) {
        rounded[0] = x;
        return read[0];
      },
      imul: function (a, b) {
        return ((a & 0xffff) * b + (((a >>> 16) * b & 0xffff) << 16)) | 0;
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
    var values = new Uint8Array(128), i, at = 0;
    var digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (i = 0; i < 64; i++) values[digits.charCodeAt(i)] = i;
    var length = text.length;
    while (text.charCodeAt(length - 1) === 0x3d) length--; // =
    var bytes = new Uint8Array(Math.floor(length * 3 / 4));
    for (i = 0; i < length; i += 4) {
      var word = (values[text.charCodeAt(i)] << 18) | (values[text.charCodeAt(i + 1)] << 12)
        | (values[text.charCodeAt(i + 2) & 127] << 6) | values[text.charCodeAt(i + 3) & 127]; // past the end: NaN & 127 is 0
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
    var binary = unescape(encodeURIComponent(text)), bytes = new Uint8Array(binary.length);
    for (var i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  function memory() {
    return new Uint8Array(engine.memory.buffer); // taken anew each time: loading may have moved it
  }

  /** The engine gives whole characters only. */
  function textAt(address, length) {
    var bytes = memory(), at = address >>> 0, end = at + length, text = "";
    while (at < end) {
      var code = bytes[at++], more = code < 0xc0 ? 0 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;
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
      var more = story !== null && tellSlice();
      if (hashing !== null) more = hashSlice() || more;
      if (more) schedule();
    });
  }

  function guarded(action) {
    try {
      action();
    } catch (error) {
      story = hashing = loading = null;
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
    story = hashing = loading = null;
    model = false;
    unread = [];
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
    var done = loading, message = done.message;
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

  /** message: id, prompt, seed, temperature, topK, topP, penalty, length. */
  function tell(message) {
    if (loading !== null) {
      loading.then = function () { tell(message); };
      return;
    }
    story = null;
    var code = engine.reset() || engine.sampling(message.temperature, message.topK, message.topP, message.penalty);
    if (code !== 0) return engineFails(code, message.id);
    engine.seed(message.seed);
    unread = [toUtf8(message.prompt)];
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
    if (message.prompt) unread.push(toUtf8(message.prompt));
    begin(message);
  }

  function begin(message) {
    story = { id: message.id, left: message.length, tokens: 0, seconds: 0 };
    schedule();
  }

  function stop() {
    if (story !== null) finish("stopped", "");
    var then = loading !== null && loading.then;
    if (then) loading.then = function () { then(); stop(); };
  }

  /** Hands the engine as much unread text as it takes at once, cut before a space: a space only ever begins a piece for the
      tokenizer, so the tokens are those of the whole text. */
  function feed() {
    var capacity = engine.text_capacity(), text = unread.shift(), cut = text.length;
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
    if (cut < text.length) unread.unshift(text.subarray(cut));
  }

  function tellSlice() {
    var text = "", started = now(), time = started;
    while (time - started < SLICE) {
      if (engine.pending() > 0) {
        engine.step();
        time = now();
        continue;
      }
      if (unread.length > 0) {
        feed();
        if (story === null) return false;
        continue;
      }
      if (story.left === 0) return finish("length", text);
      story.left--;
      var before = time, length = engine.step();
      time = now();
      story.seconds += (time - before) / 1000;
      if (length === END) return finish("end", text);
      story.tokens++;
      if (length > 0) text += textAt(engine.text_buffer(), length);
    }
    if (text !== "") post({ type: "text", id: story.id, text: text, tokens: story.tokens, seconds: story.seconds });
    return true;
  }

  /** reason: "end" (the model ended the story), "length" or "stopped". */
  function finish(reason, text) {
    if (reason === "length") text += textAt(engine.text_buffer(), engine.flush()); // a stopped story may go on within a character
    post({ type: "end", id: story.id, text: text, tokens: story.tokens, seconds: story.seconds, reason: reason });
    story = null;
    return false;
  }

  // ---- Messages ----

  var calls = { load: load, tell: tell, more: more, stop: stop };

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
