/** A storyteller. `on` may have these functions, all called later, never from within a call:
      loaded(model)        {card: text, bytes, engine: "WebAssembly" or "JavaScript", worker: true or false}
      sha256(hex)          of the loaded file
      text(piece, made)    whole characters; made = {tokens, seconds, pieces, expert}: so far, without what it took to read the prompt; the
                           tokens' texts that make up this piece; which of the model's experts read the last token
      end(reason, made)    "end": the model ended its story; "length": as many tokens as asked for; "stopped"
      choices(place, list, done)  answers choices(): [{tokens, text, share, drawn, end}], what was drawn first; text grows until done
      error(message, code) code as in docs/model-file.md and docs/engine.md, 0 for anything else
    docs/web-page.md has an example. */
function Fable6(on) {
  var DEFAULTS = { header: "", prompt: "", seed: 1, temperature: 0.8, topK: 40, topP: 1, penalty: 2.5, length: 1000, turns: [] }; // the command line's
  var WORKER_STARTS_IN = 5000; // ms

  var storyId = 0,
    file = 0,
    ask = 0; // what comes from stories, files and questions before these, still under way, is dropped
  var kind = null; // of the engine, once it is ready
  var worker = null;
  var deliver = null; // takes a message to the core
  var unsent = [];

  function send(message) {
    if (kind === null) unsent.push(message);
    else deliver(message);
  }

  function receive(message) {
    if (
      (message.id !== undefined && message.id !== storyId) ||
      (message.file !== undefined && message.file !== file) ||
      (message.ask !== undefined && message.ask !== ask)
    )
      return;
    switch (message.type) {
      case "ready":
        kind = message.engine;
        while (unsent.length > 0) deliver(unsent.shift());
        break;
      case "loaded":
        emit("loaded", { card: message.card, bytes: message.bytes, engine: kind, worker: worker !== null });
        break;
      case "sha256":
        emit("sha256", message.sha256);
        break;
      case "text":
      case "end":
        var made = { tokens: message.tokens, seconds: message.seconds, pieces: message.pieces, expert: message.expert };
        if (message.text !== "" || message.pieces.length > 0) emit("text", message.text, made);
        if (message.type === "end") emit("end", message.reason, made);
        break;
      case "choices":
        emit("choices", message.place, message.choices, message.done);
        break;
      case "error":
        emit("error", message.message, message.code);
    }
  }

  function emit(name, first, second, third) {
    if (on[name]) on[name](first, second, third);
  }

  function startWorker() {
    var urls = window.URL || window.webkitURL;
    var source =
      "var receive = (" +
      program +
      ")()(function (message) { postMessage(message); }, " +
      fallback +
      ', "' +
      wasm64 +
      '");' +
      "onmessage = function (event) { receive(event.data); };";
    var url = urls.createObjectURL(new Blob([source], { type: "application/javascript" }));
    worker = new Worker(url);
    var patience = setTimeout(startHere, WORKER_STARTS_IN);
    worker.onmessage = function (event) {
      if (event.data.type === "ready") {
        clearTimeout(patience);
        urls.revokeObjectURL(url);
      }
      receive(event.data);
    };
    worker.onerror = function () {
      clearTimeout(patience);
      if (kind === null) startHere();
      else emit("error", "the engine's worker failed; reload the page", 0);
    };
    deliver = function (message) {
      worker.postMessage(message);
    };
  }

  /** Without a Worker: a browser without them, or one that forbids them to pages opened as files. */
  function startHere() {
    if (worker !== null) worker.terminate();
    worker = null;
    function later(action) {
      return function (message) {
        setTimeout(function () {
          action(message);
        }, 0);
      };
    }
    deliver = later(program()(later(receive), fallback, wasm64));
  }

  try {
    startWorker();
  } catch (error) {
    startHere();
  }

  return {
    /** Loads a model in place of whatever was loaded: an ArrayBuffer, or base64. Its SHA-256 need not be computed if given. */
    load: function (data, sha256) {
      storyId++;
      send({ type: "load", file: ++file, data: data, sha256: typeof sha256 === "string" ? sha256 : "" });
    },
    /** Tells a new story: {header, prompt, seed, temperature, topK, topP, penalty, length}, each with the command line's default. `header`
        is read before the prompt, for a model that takes wishes (docs/asking.md). `turns` are what a person puts in, in order: {at: after so many tokens, text: "to be read"} or {at: …, tokens: [ids in place of its own]}. */
    tell: function (options) {
      ask++;
      var message = { type: "tell", id: ++storyId };
      for (var name in DEFAULTS) message[name] = options && options[name] !== undefined ? options[name] : DEFAULTS[name];
      send(message);
    },
    /** Goes on with the story: `length` tokens more, after `prompt` if one is given. */
    more: function (length, prompt) {
      send({ type: "more", id: ++storyId, length: length, prompt: prompt || "" });
    },
    stop: function () {
      send({ type: "stop" });
    },
    /** Asks what the story's token at `place` (0 is the first that the model made) was drawn among: `count` others. */
    choices: function (place, count) {
      send({ type: "look", ask: ++ask, place: place, count: count });
    }
  };
}
