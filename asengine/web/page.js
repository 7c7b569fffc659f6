/** The page around the storyteller. Text from the model, the person or the address only ever becomes text nodes. */
(function () {
  var DEFAULT_PROMPT = "Once upon a time";
  var DEFAULTS = { temperature: "0.8", "top-k": "40", length: "200" }; // the command line's; each story gets a seed of its own
  var LARGEST_SEED = 4294967295;
  var LONGEST = 1000000; // tokens of a story
  var MOST_BYTES = 256 * 1024 * 1024; // of a model file

  var COPY_LABELS = { copy: "Copy the story", link: "Copy a link to it" };

  function id(name) {
    return document.getElementById(name);
  }

  var fable6 = null;
  var told = null; // the settings of the story shown
  var paragraph = null; // the text node that the story grows in
  var loadedName = ""; // of a file that was picked; "" for the page's own model
  var before = 0; // tokens of the story that were made before it went on
  var own = id("model"); // the model in this page, if there is one
  var shownAddress = ""; // what this page made of its address

  function show(element, visible) {
    element.className = element.className.replace(/ ?\bnone\b/, "") + (visible ? "" : " none");
  }

  function setText(element, text) {
    while (element.firstChild) element.removeChild(element.firstChild);
    element.appendChild(document.createTextNode(text));
  }

  function complain(message) {
    setText(id("error"), message);
    show(id("error"), message !== "");
  }

  /** For screen readers. */
  function say(message) {
    setText(id("said"), message);
  }

  // ---- Settings ----

  /** The person's settings, or null after complaining about what is wrong with them. */
  function readSettings() {
    var wrong = null;
    function field(name, isRight, rule) {
      var input = id(name), text = input.value.replace(/^\s+|\s+$/g, ""), right = isRight(text);
      input.className = right ? "" : "wrong";
      input.setAttribute("aria-invalid", right ? "false" : "true");
      if (!right && wrong === null) {
        wrong = input;
        complain(input.parentNode.getElementsByTagName("label")[0].firstChild.data + ' "' + text + '": ' + rule);
      }
      return Number(text);
    }
    function whole(low, high) {
      return function (text) {
        return /^[0-9]+$/.test(text) && Number(text) >= low && Number(text) <= high;
      };
    }
    function isTemperature(text) {
      return /^[0-9]*\.?[0-9]+$/.test(text) && (Number(text) === 0 || (Number(text) >= 0.01 && Number(text) <= 100));
    }
    complain("");
    var settings = {
      prompt: id("prompt").value,
      seed: field("seed", whole(0, LARGEST_SEED), "give a whole number from 0 to 4294967295"),
      temperature: field("temperature", isTemperature, "give 0, or a number from 0.01 to 100, such as 0.8"),
      topK: field("top-k", whole(0, 65536), "give a whole number from 0 to 65536"),
      length: field("length", whole(1, LONGEST), "give a whole number from 1 to " + LONGEST)
    };
    if (wrong === null) return settings;
    wrong.focus();
    return null;
  }

  function newSeed() {
    id("seed").value = Math.floor(Math.random() * (LARGEST_SEED + 1));
  }

  /** The address with the story's prompt, seed and settings behind a #. */
  function address() {
    var parts = ["seed=" + told.seed];
    if (told.temperature !== Number(DEFAULTS.temperature)) parts.push("temperature=" + told.temperature);
    if (told.topK !== Number(DEFAULTS["top-k"])) parts.push("top-k=" + told.topK);
    if (told.length !== Number(DEFAULTS.length)) parts.push("length=" + told.length);
    if (told.prompt !== DEFAULT_PROMPT) parts.push("prompt=" + encode(told.prompt));
    return location.href.replace(/#.*/, "") + "#" + parts.join("&");
  }

  function showAddress(href) {
    location.replace(href);
    shownAddress = location.href;
  }

  function encode(text) {
    try {
      return encodeURIComponent(text);
    } catch (error) {
      return encodeURIComponent(text.replace(/[\uD800-\uDFFF]/g, "\uFFFD")); // half a surrogate pair
    }
  }

  /** Fills the form from the address. Returns whether it names a seed. */
  function readAddress() {
    var found = false, fields = { seed: "", temperature: DEFAULTS.temperature, "top-k": DEFAULTS["top-k"], length: DEFAULTS.length };
    var prompt = DEFAULT_PROMPT, parts = location.href.split("#").slice(1).join("#").split("&");
    for (var i = 0; i < parts.length; i++) {
      var equals = parts[i].indexOf("="), name = parts[i].slice(0, equals), value = parts[i].slice(equals + 1);
      try {
        value = decodeURIComponent(value);
      } catch (error) {
        continue; // a stray %
      }
      if (name === "prompt") prompt = value;
      else if (fields.hasOwnProperty(name)) fields[name] = value;
      found = found || name === "seed";
    }
    id("prompt").value = prompt;
    for (name in fields) id(name).value = fields[name];
    if (!found) newSeed();
    return found;
  }

  // ---- Telling ----

  function setTelling(now) {
    var stopHadFocus = document.activeElement === id("stop");
    id("stop").disabled = !now;
    id("story").setAttribute("aria-busy", now ? "true" : "false");
    if (now) id("more").disabled = true;
    else if (stopHadFocus) id("tell").focus();
  }

  function tell() {
    var settings = readSettings();
    if (settings === null || id("tell").disabled) return;
    told = settings;
    before = 0;
    clearStory();
    var prompt = document.createElement("span");
    prompt.className = "prompt";
    prompt.appendChild(document.createTextNode(told.prompt));
    paragraph = document.createTextNode("");
    var first = document.createElement("div");
    first.appendChild(prompt);
    first.appendChild(paragraph);
    id("story").appendChild(first);
    show(id("paper"), true);
    setText(id("made"), "\u2026");
    setTelling(true);
    say("Telling a story.");
    fable6.tell(told);
    showAddress(address());
  }

  function clearStory() {
    while (id("story").firstChild) id("story").removeChild(id("story").firstChild);
    show(id("paper"), false);
  }

  /** Each line is a block of its own, so that a long story is laid out only where it grows. */
  function write(text) {
    var lines = text.split("\n");
    for (var i = 0; i < lines.length; i++) {
      if (i > 0) {
        paragraph.appendData("\n");
        paragraph = document.createTextNode("");
        id("story").appendChild(document.createElement("div")).appendChild(paragraph);
      }
      paragraph.appendData(lines[i]);
    }
  }

  function showMade(made, remark) {
    var speed = made.seconds > 0 ? made.tokens / made.seconds : 0, tokens = before + made.tokens;
    setText(id("made"), grouped(tokens) + (tokens === 1 ? " token" : " tokens")
      + (speed > 0 ? " \u00b7 " + grouped(speed < 10 ? speed.toFixed(1) : Math.round(speed)) + " tokens/s" : "")
      + " \u00b7 seed " + told.seed + remark);
  }

  function ended(reason, made) {
    var remarks = { end: "The end.", length: "As long as asked for.", stopped: "Stopped." };
    showMade(made, " \u00b7 " + remarks[reason]);
    before += made.tokens;
    setTelling(false);
    id("more").disabled = reason === "end";
    say(remarks[reason]);
  }

  function goOn() {
    var settings = readSettings();
    if (settings === null) return;
    if (before + settings.length > LONGEST) return complain("The story has " + grouped(before) + " tokens; " + grouped(LONGEST) + " are the most.");
    setTelling(true);
    showMade({ tokens: 0, seconds: 0 }, "");
    say("Going on.");
    told.length = before + settings.length;
    fable6.more(settings.length);
    showAddress(address());
  }

  function reset() {
    fable6.stop();
    told = null;
    clearStory();
    complain("");
    setTelling(false);
    say("");
    showAddress(location.href.replace(/#.*/, "") + "#");
    id("keep").checked = false;
    readAddress();
    say("Story and settings are as at the beginning.");
  }

  function start() {
    var typed = id("seed").value;
    if (!id("keep").checked && told !== null && typed === String(told.seed)) newSeed();
    tell();
  }

  // ---- The model ----

  function grouped(number) {
    return String(number).replace(/\B(?=([0-9]{3})+$)/g, ",");
  }

  function load(data, name, sha256) {
    loadedName = name;
    id("tell").disabled = true;
    setTelling(false);
    complain("");
    setText(id("card"), "Loading " + (name || "the model") + "\u2026");
    show(id("hash"), false);
    fable6.load(data, sha256);
  }

  function loaded(model) {
    var card = null, parts;
    try {
      card = JSON.parse(model.card);
      String(card.name) + String(card.corpus); // a stranger's objects may refuse that
    } catch (error) {
      card = null; // shown as it is
    }
    if (card === null || typeof card !== "object" || card instanceof Array) {
      parts = [model.card];
    } else {
      parts = [String(card.name || loadedName || "a model without a name")];
      if (typeof card.parameters === "number") parts.push((card.parameters / 1e6).toFixed(1) + " million weights");
      if (typeof card.bits_per_char === "number") parts.push(card.bits_per_char.toFixed(3) + " bits per character of text it had not seen");
      if (typeof card.tokens_trained === "number") parts.push("learned from " + (card.tokens_trained / 1e6).toFixed(1) + " million tokens");
      if (card.corpus) parts.push("corpus " + card.corpus);
    }
    parts.splice(1, 0, grouped(Math.round(model.bytes / 1000)) + " KB");
    setText(id("card"), parts.join(" \u00b7 "));
    setText(id("engine"), "Engine: " + model.engine + (model.worker ? " in a worker." : " in this page."));
    id("tell").disabled = false;
    id("more").disabled = true;
    if (told === null) {
      if (/\bnone\b/.test(id("error").className)) tell(); // else a file's mistake is to be read first
    } else if (loadedName !== "") start();
  }

  function failed(message, code) {
    var isFile = code > 0 && code < 32, name = loadedName;
    setTelling(false);
    id("more").disabled = true;
    if (isFile && name !== "" && own) loadOwn();
    else if (isFile) setText(id("card"), "No model is loaded.");
    complain((isFile && name !== "" ? name + ": " : "") + message);
  }

  function loadOwn() {
    load(own.textContent, "", own.getAttribute("data-sha256"));
  }

  function pick(file) {
    if (file.size > MOST_BYTES) {
      complain(file.name + ": the file has " + file.size + " bytes, far more than a model; give a file made by `python -m fable6c.export`");
      return;
    }
    var reader = new FileReader();
    reader.onload = function () {
      load(reader.result, file.name);
    };
    reader.onerror = function () {
      complain(file.name + ": cannot read the file; check that it is a file, not a folder, and that it still exists");
    };
    reader.readAsArrayBuffer(file);
  }

  /** A page that is served looks for model.f6c beside itself. */
  function fetchModel() {
    var request = new XMLHttpRequest();
    request.open("GET", "model.f6c");
    request.responseType = "arraybuffer";
    request.setRequestHeader("Cache-Control", "no-cache"); // ask whether there is a newer one
    request.onprogress = function (event) {
      setText(id("card"), "Loading model.f6c\u2026 " + grouped(Math.round(event.loaded / 1000)) + " KB");
    };
    request.onload = function () {
      if (request.status === 200) load(request.response, "model.f6c");
      else noModel();
    };
    request.onerror = noModel;
    request.send();
  }

  function noModel() {
    setText(id("card"), "No model is loaded: choose a .f6c file above, or drop one on this page.");
  }

  // ---- Copying ----

  function copy(text, button) {
    function done(words) {
      say(words);
      setText(button, words);
      setTimeout(function () {
        setText(button, COPY_LABELS[button.id]);
      }, 2000);
    }
    function copyOld() {
      var area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      var copied = false;
      try {
        copied = document.execCommand("copy");
      } catch (error) {
        // some throw where others return false
      }
      document.body.removeChild(area);
      button.focus();
      done(copied ? "Copied" : "This browser does not let the page copy");
    }
    if (!navigator.clipboard || !navigator.clipboard.writeText) return copyOld();
    navigator.clipboard.writeText(text).then(function () {
      done("Copied");
    }, copyOld);
  }

  // ---- Events ----

  function on(element, name, action) {
    element.addEventListener(name, action, false);
  }

  if (typeof Uint8Array === "undefined" || !document.addEventListener) {
    complain("This browser is too old for the storyteller (it has no typed arrays); one of 2012 or later will do.");
    return;
  }

  fable6 = Fable6({
    loaded: loaded,
    sha256: function (hex) {
      setText(id("hash"), "SHA-256 " + hex);
      show(id("hash"), true);
    },
    text: function (text, made) {
      if (told === null) return; // the page was reset
      if (window.performance && performance.mark && made.tokens > 0 && !write.begun) performance.mark("first text");
      write.begun = true;
      write(text);
      showMade(made, "");
    },
    end: function (reason, made) {
      if (told !== null) ended(reason, made);
    },
    error: failed
  });

  on(id("ask"), "submit", function (event) {
    event.preventDefault();
    start();
  });
  on(id("prompt"), "keydown", function (event) {
    if (event.keyCode !== 13 || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    start();
  });
  on(id("chips"), "click", function (event) {
    if (event.target.className !== "chip") return;
    id("prompt").value = event.target.firstChild.data;
    start();
  });
  on(id("stop"), "click", function () {
    fable6.stop();
  });
  on(id("reset"), "click", reset);
  on(id("more"), "click", goOn);
  on(id("copy"), "click", function () {
    copy(id("story").textContent, id("copy"));
  });
  on(id("link"), "click", function () {
    copy(address(), id("link"));
  });
  on(id("file"), "click", function () {
    id("file").value = ""; // the same file may have changed
  });
  on(id("file"), "change", function () {
    if (id("file").files.length > 0) pick(id("file").files[0]);
  });
  on(window, "hashchange", function () {
    if (location.href !== shownAddress && readAddress()) tell();
  });

  function dragsFiles(event) {
    var types = event.dataTransfer ? event.dataTransfer.types : [];
    for (var i = 0; i < types.length; i++) if (types[i] === "Files") return true;
    return false;
  }
  on(document, "dragover", function (event) {
    if (!dragsFiles(event)) return;
    event.preventDefault();
    document.body.className = "dropping";
  });
  on(document, "dragleave", function (event) {
    if (!event.relatedTarget) document.body.className = "";
  });
  on(document, "drop", function (event) {
    if (!dragsFiles(event)) return;
    event.preventDefault();
    document.body.className = "";
    if (event.dataTransfer.files.length > 0) pick(event.dataTransfer.files[0]);
  });

  readAddress();
  if (own) loadOwn();
  else if (location.protocol !== "file:") fetchModel();
  else noModel();
}());
