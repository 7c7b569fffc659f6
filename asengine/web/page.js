/** The page around the storyteller. Text from the model, the person or the address only ever becomes text nodes. */
(function () {
  var FIELDS = { seed: "", temperature: "0.8", "top-k": "40", length: "1000" }; // at the beginning; but for the seed the command line's
  var RULES = {
    seed: "give a whole number from 0 to 4294967295, or nothing",
    temperature: "give 0, or a number from 0.01 to 100, such as 0.8",
    "top-k": "give a whole number from 0 to 65536",
    length: "give a whole number from 1 to 1000000"
  };
  var READY = ["tell", "tell-these", "surprise", "another", "more", "write", "parade"]; // buttons that need a storyteller
  var LARGEST_SEED = 4294967295;
  var LARGEST_NEW_SEED = 999; // numbers that a person can say
  var LARGEST_TOP_K = 65536;
  var LONGEST = 1000000; // tokens of a story
  var MAX_BYTES = 256 * 1024 * 1024; // of a model file
  var MAX_WORDS_TO_TOUCH = 5000; // of a story; those after them are plain text
  var TRIES = 24; // stories that it tells itself before it tells the one with most of what was asked for
  var TRYING = 3000; // ms, and no more than that
  var TRY_LENGTH = 400; // tokens
  var SENTENCES = 2; // that it adds to a person's sentence before the person is asked again
  var PACES = { voice: 1, quick: 4, fast: Infinity };
  var PARADE = 100; // stories
  var CHOICES = 4; // words that it nearly said
  var SURPRISES = [
    ["a dragon", "a fox", "a frog", "a bear", "a robot", "an owl", "a witch", "a mouse", "a pirate", "a cat"],
    ["a girl called Mia", "a boy called Tom", "a girl called Zoe", "a boy called Sam"],
    ["a spoon", "a kite", "a red hat", "a key", "a cake", "a boat", "a drum", "a balloon", "a lamp", "a map"]
  ];

  function id(name) {
    return document.getElementById(name);
  }

  var fable6 = null;
  var t = null; // the story that is shown: see newStory
  var paragraph = null; // the element that the story grows in
  var pace = "voice";
  var timer = 0; // until the next word
  var trying = null; // looking for the seed that brings most of what was asked for
  var experts = []; // the names of the model's, where it has several
  var parade = null; // a hundred stories: {left, words, seconds}
  var following = true; // the page scrolls along with the story
  var scrolledTo = 0; // by the page itself
  var shownAddress = ""; // what this page made of its address
  var given = null; // {line, prompt}: an opening from the address, as long as the line is unchanged

  var own = document.getElementsByClassName ? document.getElementsByClassName("model") : []; // the models in this page
  var teller = null; // the loaded one: {name, file, sha256, own: its element or null, data: a file's bytes}
  var coming = null; // the one being loaded
  var kept = null; // the last that was loaded: it comes back when a file turns out to be none
  var wanted = null; // what to tell when it is there
  var reading = false; // the engine reads the story on the page again

  function show(element, visible) {
    element.className = element.className.replace(/ ?\bnone\b/, "") + (visible ? "" : " none");
  }

  function isShown(element) {
    return !/\bnone\b/.test(element.className);
  }

  function clear(element) {
    while (element.firstChild) element.removeChild(element.firstChild);
  }

  function setText(element, text) {
    clear(element);
    element.appendChild(document.createTextNode(text));
  }

  function add(parent, tag, className, text) {
    var element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.appendChild(document.createTextNode(text));
    parent.appendChild(element);
    return element;
  }

  /** A message beside what it is about: "error" is above the line to ask, which is always in view. An empty one takes it away. */
  function complain(message, where) {
    var box = id(where || "error");
    setText(box, message);
    show(box, message !== "");
  }

  function intoView(name) {
    if (id(name).scrollIntoView) id(name).scrollIntoView(false);
  }

  /** For screen readers. */
  function say(message) {
    setText(id("said"), message);
  }

  function grouped(number) {
    return String(number).replace(/\B(?=([0-9]{3})+$)/g, ",");
  }

  function counted(number, noun) {
    if (number !== 1) noun = (noun + "s").replace(/([cs]h)s$/, "$1es").replace(/ys$/, "ies");
    return grouped(number) + " " + noun;
  }

  function copyOf(object) {
    var copy = {};
    for (var name in object) copy[name] = object[name];
    return copy;
  }

  // ---- Settings ----

  function isRight(name, text) {
    var number = Number(text);
    if (name === "seed" && text === "") return true;
    if (name === "temperature") return /^[0-9]*\.?[0-9]+$/.test(text) && (number === 0 || (number >= 0.01 && number <= 100));
    var most = { seed: LARGEST_SEED, "top-k": LARGEST_TOP_K, length: LONGEST };
    return /^[0-9]+$/.test(text) && number <= most[name] && (name !== "length" || number > 0);
  }

  /** The settings that the drawer holds, or null after complaining about what is wrong with them. */
  function readSettings() {
    var wrong = null;
    function field(name) {
      var input = id(name),
        text = input.value.trim(),
        right = isRight(name, text);
      input.className = right ? "" : "wrong";
      input.setAttribute("aria-invalid", right ? "false" : "true");
      complain(right ? "" : '"' + text + '": ' + RULES[name], name + "-error");
      if (!right && wrong === null) wrong = input;
      return text === "" ? null : Number(text);
    }
    var settings = { seed: field("seed"), temperature: field("temperature"), topK: field("top-k"), length: field("length"), turns: [] };
    if (wrong === null) return settings;
    openDrawer();
    wrong.focus();
    intoView(wrong.id + "-error");
    return null;
  }

  function newSeed() {
    return 1 + Math.floor(Math.random() * LARGEST_NEW_SEED);
  }

  function setPace(name) {
    pace = name;
    id("pace-" + name).checked = true;
    showState(t === null ? "idle" : t.state);
    if (t !== null && t.state === "telling") pump();
  }

  // ---- The address ----

  function encode(text) {
    try {
      return encodeURIComponent(text);
    } catch (error) {
      return encodeURIComponent(text.replace(/[\uD800-\uDFFF]/g, "\uFFFD")); // half a surrogate pair
    }
  }

  /** What stands behind the # for the story that is shown. */
  function fragment() {
    var parts = ["seed=" + t.settings.seed],
      settings = t.settings;
    if (teller !== null && teller.own !== own[0]) parts.push("model=" + encode(teller.name));
    if (settings.temperature !== Number(FIELDS.temperature)) parts.push("temperature=" + settings.temperature);
    if (settings.topK !== Number(FIELDS["top-k"])) parts.push("top-k=" + settings.topK);
    if (settings.length !== Number(FIELDS.length)) parts.push("length=" + settings.length);
    if (t.wishes.length > 0) parts.push("wish=" + encode(t.line));
    else if (settings.prompt !== Wish.ask("").prompt) parts.push("prompt=" + encode(settings.prompt));
    settings.turns.forEach(function (turn) {
      parts.push("turn=" + turn.at + (turn.tokens ? "." + turn.tokens.join(".") : "-" + encode(turn.text)));
    });
    return "#" + parts.join("&");
  }

  function showAddress(after) {
    location.replace(location.href.replace(/#.*/, "") + after);
    shownAddress = location.href;
  }

  /** A link for others: to the hosted page, if this one is a file and knows of one. */
  function linkForOthers() {
    var hosted = document.body.getAttribute("data-hosted");
    if (location.protocol !== "file:") return location.href.replace(/#.*/, "") + fragment();
    return (hosted || "fable6.html") + fragment();
  }

  /** Fills the drawer and the line to ask from an address or a fragment of one. Returns what else tells a story. `wrong` holds what the
      page does not take: texts by the name of their setting. */
  function readAddress(href) {
    var fields = {},
      found = { seed: "", model: "", turns: [], wrong: {} },
      line = "",
      name;
    for (name in FIELDS) fields[name] = FIELDS[name];
    given = null;
    href
      .split("#")
      .slice(1)
      .join("#")
      .split("&")
      .forEach(function (part) {
        var equals = part.indexOf("="),
          key = part.slice(0, equals),
          value = part.slice(equals + 1);
        try {
          value = decodeURIComponent(value);
        } catch (error) {
          return; // a stray %
        }
        var turn = /^([0-9]{1,7})(?:((?:\.[0-9]{1,5}){1,8})|-([\s\S]*))$/.exec(value);
        if (key === "prompt") given = { line: value.replace(/\s+/g, " ") + "\u2026", prompt: value };
        else if (key === "wish") line = value;
        else if (key === "model") found.model = value;
        else if (key === "pace" && PACES.hasOwnProperty(value)) setPace(value);
        else if (key === "turn" && turn && turn[2])
          found.turns.push({ at: Number(turn[1]), tokens: turn[2].slice(1).split(".").map(Number) });
        else if (key === "turn" && turn) found.turns.push({ at: Number(turn[1]), text: turn[3] });
        else if (!fields.hasOwnProperty(key) || value === "") return;
        else if (!isRight(key, value.trim())) found.wrong[key] = value;
        else if (key === "seed") found.seed = value;
        else fields[key] = value;
      });
    for (name in fields) id(name).value = fields[name];
    id("wish").value = given === null ? line : given.line;
    showChips();
    return found;
  }

  /** Tells the story that an address names. */
  function tellAddress(href) {
    var found = readAddress(href),
      settings,
      remarks = [],
      model = ownNamed(found.model),
      name;
    id("seed").value = found.seed;
    settings = readSettings();
    id("seed").value = "";
    settings.turns = found.turns;
    for (name in found.wrong) {
      remarks.push(
        "The link gives \u201c" +
          found.wrong[name] +
          "\u201d for " +
          document.querySelector("label[for=" + name + "]").textContent +
          "; this story is told with " +
          (FIELDS[name] || "a new one") +
          ". To change it, " +
          RULES[name] +
          "."
      );
      complain(remarks[remarks.length - 1], name + "-error");
    }
    wanted = { settings: settings, model: found.model, remarks: remarks };
    if (model === null && teller === null && own.length > 0) model = own[0];
    if (model !== null && (teller === null || teller.own !== model)) loadOwn(model);
    else if (teller !== null) tellWanted();
  }

  function tellWanted() {
    var what = wanted;
    wanted = null;
    if (what.model !== "" && what.model !== teller.name) {
      what.remarks.push(
        "This link was made with another storyteller, \u201c" + what.model + "\u201d, which is not in this page: the story is another one."
      );
    }
    start(what.settings, what.remarks);
  }

  // ---- A story begins ----

  /** units are what a person can touch: a word or a mark, with the white space before it and the token that began it. */
  function newStory(settings, line, asked) {
    t = {
      settings: settings,
      line: line,
      state: "telling",
      wishes: asked.wishes.map(function (wish) {
        return {
          text: wish.text,
          words: wish.words,
          came: wish.words.map(function () {
            return false;
          }),
          tag: null
        };
      }),
      units: [],
      next: 0, // the first unit that is not shown yet
      gap: "",
      open: false, // white space, or the beginning of a word, that the next token goes on from
      place: 0,
      turn: 0, // tokens and turns that have come
      told: false,
      reason: "", // the engine is done, and why
      untold: false, // it was stopped before the engine began with it
      fork: -1,
      forked: 0, // the place where a person changed the story, and the units before it
      cleared: true, // what was on the page before is gone
      words: 0,
      tokens: 0,
      seconds: 0,
      experts: [], // the names of those that told it
      sentence: "",
      together: false,
      sentences: 0
    };
    takeWhole(settings.prompt, "given");
  }

  function showOpening() {
    while (t.next < t.units.length) showUnit(t.units[t.next++]);
  }

  /** Tells what the line asks for. `remarks` are about a link. */
  function start(settings, remarks) {
    var input = id("wish"),
      line = input.value,
      asked,
      seed;
    if (/#(?:.*&)?seed=/.test(line)) return tellAddress(line); // a link that was pasted
    settings = settings || readSettings();
    if (settings === null || teller === null) return;
    if (given !== null && given.line === line) asked = { header: "", prompt: given.prompt, wishes: [], ignored: [] };
    else asked = Wish.ask(line, teller.takes);
    remarks = remarks || [];
    if (asked.ignored.length > 0)
      remarks.push(
        "Left out: \u201c" +
          asked.ignored.join("\u201d, \u201c") +
          "\u201d. " +
          (asked.header === "" ? "It takes up to six things, of a few words each." : "This storyteller takes a name and three words.")
      );
    complain(remarks.join(" "));
    settings.header = asked.header;
    settings.prompt = asked.prompt;
    seed = settings.seed;
    if (seed === null) settings.seed = newSeed();
    leave();
    newStory(settings, line, asked);
    clearStory();
    if (seed === null && t.wishes.length > 0)
      trying = { seed: settings.seed, tries: 0, best: -1, text: "", until: new Date().getTime() + TRYING };
    showTitle();
    showState("telling");
    say(
      asked.wishes.length > 0
        ? "A story with " +
            asked.wishes
              .map(function (wish) {
                return wish.text;
              })
              .join(", ") +
            "."
        : "A story."
    );
    following = true;
    scrollTo(0);
    showOpening();
    if (trying !== null) tryNext();
    else tell();
  }

  /** Whatever is going on ends. */
  function leave() {
    stopClock();
    closeChoices();
    trying = parade = null;
    reading = false;
    show(id("yours"), false);
    allow(teller !== null);
  }

  function allow(isReady) {
    READY.forEach(function (name) {
      id(name).disabled = !isReady;
    });
  }

  function tell() {
    fable6.tell(t.settings);
    showAddress(fragment());
  }

  // ---- Trying: which seed brings most of what was asked for? ----

  function tryNext() {
    trying.text = "";
    var settings = t.settings,
      seed = ((trying.seed - 1 + trying.tries) % LARGEST_NEW_SEED) + 1;
    trying.trySeed = seed;
    trying.tries++;
    fable6.tell({
      header: settings.header,
      prompt: settings.prompt,
      seed: seed,
      temperature: settings.temperature,
      topK: settings.topK,
      length: Math.min(settings.length, TRY_LENGTH)
    });
  }

  function tried(reason) {
    var words = trying.text.split(/\s+/),
      score = reason === "end" ? 0.5 : 0;
    t.wishes.forEach(function (wish) {
      if (
        wish.words.every(function (asked) {
          return words.some(function (told) {
            return Wish.isForm(asked, told);
          });
        })
      )
        score++;
    });
    if (score > trying.best) {
      trying.best = score;
      t.settings.seed = trying.trySeed;
    }
    if (trying.best < t.wishes.length && trying.tries < TRIES && new Date().getTime() < trying.until) return tryNext();
    trying = null;
    showTitle();
    tell();
  }

  // ---- The engine's text becomes units ----

  var CHUNKS = /\s+|[A-Za-z0-9\u0080-\uffff]+(?:['-][A-Za-z0-9\u0080-\uffff]+)*|[^A-Za-z0-9\u0080-\uffff\s]+/g; // white space, words, marks
  var IN_WORD = /[A-Za-z0-9\u0080-\uffff]$/,
    GOES_ON = /^['A-Za-z0-9\u0080-\uffff]/;

  function take(text, place, kind) {
    (text.match(CHUNKS) || []).forEach(function (chunk) {
      if (/^\s/.test(chunk)) {
        t.gap += chunk;
        t.open = false;
        return;
      }
      var last = t.units[t.units.length - 1];
      if (t.open && last.kind === kind && IN_WORD.test(last.body) && GOES_ON.test(chunk)) {
        last.body += chunk;
      } else {
        t.units.push({ gap: t.gap, body: chunk, place: place, kind: kind });
        t.gap = "";
      }
      t.open = true;
    });
  }

  /** A text that nothing before it and nothing after it continues. */
  function takeWhole(text, kind) {
    t.open = false;
    take(text, -1, kind);
    t.open = false;
  }

  /** What a person wrote at this place comes before the model's next token. */
  function takeTurns() {
    var turns = t.settings.turns;
    if (t.place === t.fork) t.forked = t.units.length;
    for (; t.turn < turns.length && turns[t.turn].at <= t.place; t.turn++) {
      if (turns[t.turn].text) takeWhole(turns[t.turn].text, "yours");
    }
  }

  function receive(text, made) {
    if (trying !== null) {
      trying.text += text;
      return;
    }
    if (t === null || t.untold || reading) return;
    var length = 0;
    made.pieces.forEach(function (piece) {
      takeTurns();
      take(piece, t.place++, "");
      length += piece.length;
    });
    take(text.slice(length), t.place, ""); // an unfinished character at the end
    t.tokens = made.tokens;
    t.seconds = made.seconds;
    var expert = experts[made.expert];
    if (expert !== undefined && t.experts.indexOf(expert) < 0) t.experts.push(expert);
    if (timer === 0) pump(); // else the next word has its time
  }

  function engineEnds(reason, made) {
    if (trying !== null) return tried(reason);
    if (reading) {
      reading = false;
      allow(true);
      return;
    }
    if (t === null || t.untold) return;
    takeTurns();
    t.told = true;
    t.reason = reason;
    t.seconds = made.seconds;
    if (timer === 0) pump();
  }

  // ---- Telling: units come onto the page ----

  function stopClock() {
    clearTimeout(timer);
    timer = 0;
  }

  /** Shows what is due, and sets the clock for what comes next. */
  function pump() {
    stopClock();
    if (t === null || t.state !== "telling" || trying !== null) return;
    if (!t.cleared) {
      if (!t.told && t.place <= t.fork) return; // what was there stays until the new story has come as far
      if (t.place <= t.fork) t.forked = t.units.length;
      clearStory();
      t.cleared = true;
    }
    for (var end; (end = groupEnd()) > 0;) {
      var instant = end <= t.forked || t.units[t.next].kind === "yours",
        text = "";
      while (t.next < end) {
        text += t.units[t.next].gap + t.units[t.next].body;
        showUnit(t.units[t.next++]);
      }
      if (!instant && t.together && isSentenceEnd(text) && ++t.sentences === SENTENCES && t.next < t.units.length) return stop("yours");
      if (instant || pace === "fast" || (matchesReducedMotion() && !isSentenceEnd(text))) continue;
      showCount();
      follow();
      timer = setTimeout(pump, breath(text) / PACES[pace]);
      return;
    }
    showCount();
    follow();
    if (t.told) finish();
  }

  /** The end of the next word with all that clings to it, or 0 where it may still grow. */
  function groupEnd() {
    var units = t.units,
      end = t.next + 1;
    if (t.next >= units.length) return 0;
    while (end < units.length && units[end].gap === "") end++;
    return end < units.length || t.told || t.gap !== "" ? end : 0;
  }

  function isSentenceEnd(text) {
    return /[.!?]["'\u201d\u2019]*$/.test(text);
  }

  /** How long a voice takes for it, in ms: some 190 words a minute. */
  function breath(text) {
    return 110 + 38 * text.length + (/[,;:]/.test(text) ? 160 : 0) + (isSentenceEnd(text) ? 380 : 0) + (/\n/.test(text) ? 250 : 0);
  }

  function matchesReducedMotion() {
    return Boolean(window.matchMedia) && matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  function newParagraph() {
    paragraph = add(id("story"), "div", id("story").firstChild ? "" : "first");
  }

  function clearStory() {
    clear(id("story"));
    id("story").removeAttribute("data-at");
    newParagraph();
  }

  function writeGap(gap) {
    var lines = gap.split("\n");
    for (var i = 0; i < lines.length; i++) {
      if (i > 0) {
        paragraph.appendChild(document.createTextNode("\n"));
        newParagraph();
      }
      if (lines[i] !== "") paragraph.appendChild(document.createTextNode(lines[i]));
    }
  }

  function showUnit(unit) {
    if (window.performance && performance.mark && unit.place >= 0 && !showUnit.begun) {
      performance.mark("first text");
      showUnit.begun = true;
    }
    writeGap(unit.gap);
    var isWord = /[A-Za-z0-9\u0080-\uffff]/.test(unit.body);
    if (isWord) t.words++;
    if (parade !== null || t.next > MAX_WORDS_TO_TOUCH) {
      paragraph.appendChild(document.createTextNode(unit.body));
      return;
    }
    if (paragraph.className === "first" && !paragraph.firstChild)
      paragraph.className = /^["'\u201c]?[A-Za-z]/.test(unit.body) ? "first capital" : "first";
    var span = add(paragraph, "span", "w" + (unit.kind ? " " + unit.kind : "") + (isWord && lightUp(unit) ? " asked" : ""), unit.body);
    span.setAttribute("data-unit", t.next - 1);
    unit.span = span;
    tellListeners(unit);
  }

  /** Whole sentences, for screen readers. */
  function tellListeners(unit) {
    t.sentence += unit.gap + unit.body;
    if (!isSentenceEnd(unit.body)) return;
    if (pace !== "fast") say(t.sentence.replace(/\s+/g, " "));
    t.sentence = "";
  }

  /** Whether the unit is a word that was asked for. One that the model told itself makes the wish come true. */
  function lightUp(unit) {
    var asked = false;
    t.wishes.forEach(function (wish) {
      wish.words.forEach(function (word, i) {
        if (!Wish.isForm(word, unit.body)) return;
        asked = true;
        if (unit.kind === "") wish.came[i] = true;
      });
      if (wish.tag !== null && isTrue(wish)) wish.tag.className = "asked-for came";
    });
    return asked;
  }

  function isTrue(wish) {
    return wish.came.every(function (came) {
      return came;
    });
  }

  function showTitle() {
    var title = id("title");
    setText(title, "Story " + t.settings.seed);
    t.wishes.forEach(function (wish, i) {
      title.appendChild(document.createTextNode(i === 0 ? ", with " : ", "));
      wish.tag = add(title, "span", "asked-for" + (isTrue(wish) ? " came" : ""), wish.text);
    });
    if (trying !== null) title.firstChild.data = "A story";
  }

  function speed(words, seconds) {
    return seconds > 0.001 ? grouped(Math.round(words / seconds)) + " words a second" : "";
  }

  function showCount() {
    var words = parade === null ? t.words : parade.words + t.words,
      seconds = parade === null ? t.seconds : parade.seconds + t.seconds;
    var fast = pace === "fast" || parade !== null ? speed(words, seconds) : "";
    setText(id("count"), (trying !== null ? "thinking of a story" : counted(words, "word")) + (fast ? " \u00b7 " + fast : ""));
  }

  /** Keeps the last word in view, unless the person scrolled away. What is there at once is read from its beginning. */
  function follow() {
    if (!following || ((pace === "fast" || (t.forked > 0 && t.next <= t.forked)) && parade === null)) return;
    var last = isShown(id("after")) ? id("after") : isShown(id("yours")) ? id("yours") : paragraph;
    var below = last.getBoundingClientRect().bottom + 32 - (window.innerHeight - id("bar").offsetHeight);
    if (below > 0) scrollTo(scrollTop() + Math.ceil(below));
  }

  function scrollTop() {
    return window.pageYOffset || document.documentElement.scrollTop || 0;
  }

  function scrollTo(top) {
    window.scrollTo(0, top);
    scrolledTo = scrollTop();
  }

  // ---- A story stops, goes on, ends ----

  function showState(state) {
    if (t !== null) t.state = state;
    var telling = state === "telling",
      stopHadFocus = document.activeElement === id("stop") || document.activeElement === id("faster");
    document.body.className = (telling ? "telling" : "") + (pace === "fast" || parade !== null ? " fast" : " slow");
    document.body.setAttribute("data-state", state);
    id("story").setAttribute("aria-busy", telling ? "true" : "false");
    show(id("now"), telling);
    if (telling && pace === "fast" && document.activeElement === id("faster")) id("stop").focus(); // a disabled button loses it
    id("faster").disabled = pace === "fast";
    show(id("after"), t !== null && !telling && state !== "yours");
    show(id("yours"), state === "yours");
    if (telling && t !== null) showCount();
    else if (stopHadFocus) id(state === "yours" ? "sentence" : "another").focus();
  }

  /** state: "stopped" or "yours" (a person's turn). */
  function stop(state) {
    if (t === null || t.state !== "telling") return;
    stopClock();
    if (trying !== null) {
      trying = null;
      showTitle();
      showAddress(fragment());
      t.untold = true;
    }
    if (!t.cleared) clearStory();
    t.cleared = true;
    if (!t.told) fable6.stop();
    showState(state);
    showMade("Stopped.");
    if (state === "yours") askForSentence();
    else say("Stopped.");
    if (parade !== null) endParade();
    follow();
  }

  function finish() {
    writeGap(t.gap);
    t.gap = "";
    if (parade !== null && nextOfParade()) return;
    showState(t.reason === "length" ? "length" : "ended");
    showMade(t.reason === "length" ? "It could go on." : "");
    if (parade !== null) {
      follow();
      endParade();
    } else
      say(
        (pace === "fast" ? "The story is told: " + counted(t.words, "word") + ". " : t.sentence) +
          (t.reason === "length" ? "It could go on." : "The end.")
      );
    follow();
  }

  function showMade(remark) {
    var came = t.wishes.filter(isTrue).length,
      parts = [counted(t.words, "word")];
    var fast = t.told && t.units.length > 0 ? speed(t.words, t.seconds) : "";
    if (fast) parts.push("made up at " + fast);
    if (t.experts.length > 0) parts.push("told by its expert for " + t.experts.join(", then "));
    if (t.wishes.length > 0)
      parts.push(
        came === t.wishes.length ? "all you asked for came true" : came + " of " + counted(t.wishes.length, "wish") + " came true"
      );
    if (remark) parts.push(remark);
    setText(id("made"), parts.join(" \u00b7 "));
    setText(id("copied"), "");
  }

  function goOn() {
    if (t === null || teller === null) return;
    var complete = t.next >= t.units.length && t.told;
    closeChoices();
    if (complete && t.reason === "end") return fork({ at: t.place, text: "\n" });
    if (t.untold) {
      t.untold = false;
      showState("telling");
      return tell();
    }
    t.together = false;
    following = true;
    showState("telling");
    say("Going on.");
    if (t.reason === "length" && complete) {
      if (t.settings.length >= LONGEST) {
        showState("length");
        return complain("The story has " + grouped(t.settings.length) + " words and parts of words; more do not fit.");
      }
      resume(Math.min(Number(FIELDS.length), LONGEST - t.settings.length));
      t.settings.length += Math.min(Number(FIELDS.length), LONGEST - t.settings.length);
      showAddress(fragment());
    } else if (t.reason === "stopped") {
      resume(t.settings.length - t.place);
    }
    pump();
  }

  function resume(tokens) {
    t.told = false;
    t.reason = "";
    fable6.more(tokens);
  }

  /** The same story, but for a turn: what was told before it stays. */
  function fork(turn) {
    var settings = copyOf(t.settings),
      together = t.together;
    settings.turns = settings.turns
      .filter(function (old) {
        return old.at < turn.at || (old.at === turn.at && !old.tokens);
      })
      .concat([turn]);
    settings.length = Math.max(settings.length, turn.at + Number(FIELDS.length));
    leave();
    newStory(settings, t.line, { wishes: t.wishes });
    t.fork = turn.at;
    t.cleared = false;
    t.together = together;
    showTitle();
    following = true;
    showState("telling");
    tell();
  }

  // ---- Writing on together ----

  function askForSentence() {
    complain("");
    id("sentence").value = "";
    id("sentence").focus();
    say("Your turn: write a sentence.");
  }

  function yourTurn() {
    if (t === null) return;
    closeChoices();
    t.together = true;
    showState("yours");
    askForSentence();
    follow();
  }

  function writeOn() {
    var text = id("sentence").value.trim(),
      unit = t.units[t.next],
      at,
      before;
    if (text === "") return goOn();
    for (var i = t.next; unit && unit.place < 0; i++) unit = t.units[i]; // what is still to be told of an opening
    at = unit ? unit.place : t.place;
    before = unit || t.reason !== "end" ? " " : "\n";
    t.together = true;
    fork({ at: at, text: before + text });
  }

  // ---- What it nearly said ----

  var choices = { unit: null, pinned: false, byKeyboard: false, timer: 0, list: [], done: false };

  function spanOf(target) {
    while (target && target !== document.body && !(target.getAttribute && target.getAttribute("data-unit"))) target = target.parentNode;
    return target && target !== document.body ? target : null;
  }

  function openChoices(span, pinned) {
    var unit = t.units[Number(span.getAttribute("data-unit"))];
    clearTimeout(choices.timer);
    if (choices.unit === unit) {
      choices.pinned = choices.pinned || pinned;
      return;
    }
    closeChoices();
    if (!unit || (unit.place < 0 && !pinned) || teller === null || trying !== null || parade !== null) return;
    choices.unit = unit;
    choices.pinned = pinned;
    choices.list = [];
    choices.done = false;
    showChoices();
    if (unit.place >= 0) fable6.choices(unit.place, CHOICES);
  }

  function closeChoices() {
    clearTimeout(choices.timer);
    var hadFocus = id("choices").contains && id("choices").contains(document.activeElement);
    choices.unit = null;
    show(id("choices"), false);
    if (hadFocus) id("story").focus();
  }

  function receiveChoices(place, list, done) {
    if (choices.unit === null || choices.unit.place !== place) return;
    choices.list = list;
    choices.done = done;
    showChoices();
  }

  function named(choice) {
    if (choice.end) return "the end";
    if (/^\s*\n/.test(choice.text)) return "a new paragraph";
    return choice.text.replace(/^ /, "");
  }

  function percent(share) {
    var number = 100 * share;
    return number < 0.1 ? "< 0.1 %" : (number < 9.95 ? number.toFixed(1) : Math.round(number)) + " %";
  }

  function showChoices() {
    var box = id("choices"),
      unit = choices.unit,
      hadFocus = box.contains && box.contains(document.activeElement);
    clear(box);
    if (unit.place < 0) {
      add(box, "p", "", unit.kind === "yours" ? "These are your own words." : "These words opened the story; it was told from here on.");
    } else {
      add(
        box,
        "p",
        "",
        choices.list.length === 0
          ? "Looking back\u2026"
          : choices.list.length === 1
            ? "It saw no other word here."
            : "It might have said; choose, and the story goes on from there:"
      );
    }
    choices.list.forEach(function (choice, i) {
      var row = add(box, choice.drawn ? "div" : "button", "row" + (choice.drawn ? " drawn" : ""));
      add(row, "b", "", choice.drawn ? unit.body : named(choice) + (choice.whole ? "" : "\u2026"));
      add(row, "span", "share", percent(choice.share));
      add(row, "span", "meter").style.width = Math.max(1, Math.round(94 * choice.share)) + "%";
      if (choice.drawn) return;
      row.type = "button";
      row.setAttribute("data-choice", i);
      row.setAttribute("aria-label", named(choice) + ", " + percent(choice.share));
    });
    show(box, true);
    placeChoices();
    if ((hadFocus || choices.byKeyboard) && choices.done && box.getElementsByTagName("button").length > 0) {
      box.getElementsByTagName("button")[0].focus();
      choices.byKeyboard = false;
    }
  }

  /** Below the word, or above it where there is no room. */
  function placeChoices() {
    var box = id("choices"),
      word = choices.unit.span.getBoundingClientRect(),
      width = box.offsetWidth,
      height = box.offsetHeight;
    var left = Math.max(8, Math.min(word.left - 16, document.documentElement.clientWidth - width - 8));
    var room = window.innerHeight - id("bar").offsetHeight - word.bottom;
    box.style.left = left + "px";
    box.style.top = scrollTop() + (room < height + 12 && word.top > height + 12 ? word.top - height - 6 : word.bottom + 6) + "px";
  }

  function choose(index) {
    var choice = choices.list[index],
      place = choices.unit.place;
    if (!choices.done) return;
    t.together = false;
    fork({ at: place, tokens: choice.tokens });
  }

  /** Goes to another word with the keyboard. */
  function move(step) {
    var story = id("story"),
      spans = story.getElementsByClassName("w"),
      at = story.getAttribute("data-at");
    if (spans.length === 0) return;
    at = at === null ? (step > 0 ? 0 : spans.length - 1) : Math.max(0, Math.min(spans.length - 1, Number(at) + step));
    for (var i = 0; i < spans.length; i++) spans[i].className = spans[i].className.replace(/ at\b/, "") + (i === at ? " at" : "");
    story.setAttribute("data-at", at);
    say(spans[at].textContent);
    var edge = spans[at].getBoundingClientRect();
    if (edge.top < 0 || edge.bottom > window.innerHeight - id("bar").offsetHeight)
      scrollTo(scrollTop() + edge.top - window.innerHeight / 3);
  }

  // ---- A hundred stories ----

  function startParade() {
    var settings = readSettings();
    if (settings === null || teller === null) return;
    closeDrawer();
    settings.seed = settings.seed === null ? newSeed() : settings.seed;
    settings.prompt = Wish.ask("").prompt;
    leave();
    parade = { left: PARADE, words: 0, seconds: 0, stories: 0 };
    clear(id("story"));
    setText(id("title"), "A hundred stories");
    following = true;
    tellOfParade(settings);
  }

  function tellOfParade(settings) {
    newStory(settings, "", { wishes: [] });
    add(id("story"), "h3", "", "Story " + settings.seed);
    newParagraph();
    showState("telling");
    showOpening();
    fable6.tell(settings);
  }

  /** Returns whether there is another one. */
  function nextOfParade() {
    var settings = copyOf(t.settings);
    parade.words += t.words;
    parade.seconds += t.seconds;
    parade.stories++;
    if (--parade.left === 0) return false;
    settings.seed = (settings.seed + 1) % (LARGEST_SEED + 1);
    t.words = t.seconds = 0;
    tellOfParade(settings);
    return true;
  }

  function endParade() {
    var words = parade.words + (parade.left > 0 ? t.words : 0),
      seconds = parade.seconds + (parade.left > 0 ? t.seconds : 0);
    setText(id("made"), counted(parade.stories, "whole story") + " \u00b7 " + counted(words, "word") + " \u00b7 " + speed(words, seconds));
    say(id("made").textContent);
    parade = null;
    showAddress(fragment());
  }

  // ---- The storyteller ----

  function ownNamed(name) {
    for (var i = 0; i < own.length; i++) if (own[i].getAttribute("data-name") === name) return own[i];
    return name === "" && own.length > 0 ? own[0] : null;
  }

  function load(what) {
    if (t !== null && t.state === "telling") stop("stopped");
    if (t !== null && !t.told && !t.untold) {
      t.told = true; // as far as the engine came; it says no more about it
      t.reason = "stopped";
    }
    leave();
    coming = what;
    teller = null;
    allow(false);
    setText(id("card"), "Loading " + what.file + "\u2026");
    show(id("hash"), false);
    fable6.load(what.own === null ? what.data : what.own.textContent, what.sha256);
  }

  function loadOwn(element) {
    var name = element.getAttribute("data-name");
    load({ name: name, file: name, sha256: element.getAttribute("data-sha256"), own: element, data: null });
  }

  function loadFile(data, file) {
    load({ name: file.replace(/\.f6c$/, ""), file: file, sha256: "", own: null, data: data });
  }

  /** After a file that was no model: its mistake stays on the page, and so does the story, which the engine reads again. */
  function comeBack() {
    if (isShown(id("drawer"))) intoView("file-error");
    if (t !== null) showState(t.state);
    if (t === null || t.untold) return allow(true);
    var settings = copyOf(t.settings);
    settings.length = t.place;
    reading = true;
    fable6.tell(settings);
  }

  function megabytes(bytes) {
    return bytes < 95000 ? Math.round(bytes / 1000) + " KB" : (bytes / 1e6).toFixed(1) + " MB";
  }

  function loaded(model) {
    var card = null,
      facts = [],
      text = megabytes(model.bytes) + (model.bytes < 2000000 ? ", smaller than one photo." : ".");
    try {
      card = JSON.parse(model.card);
      facts.push(String(card.name || "a model without a name"));
      if (card.corpus) facts.push("learned from " + card.corpus); // a stranger's objects may refuse that
    } catch (error) {
      card = null;
    }
    if (card === null || typeof card !== "object" || card instanceof Array) {
      facts = [model.card]; // shown as it is
    } else {
      if (typeof card.minutes === "number") text += " It learned for " + counted(Math.round(card.minutes), "minute") + ".";
      if (typeof card.parameters === "number")
        facts.push((card.parameters / 1e6).toFixed(1) + " million weights, nearly all of them \u22121, 0 or +1");
      if (typeof card.tokens_trained === "number") facts.push((card.tokens_trained / 1e6).toFixed(1) + " million tokens seen");
      if (typeof card.bits_per_char === "number") facts.push(card.bits_per_char.toFixed(3) + " bits per character of text it had not seen");
    }
    experts = card !== null && card.experts instanceof Array ? card.experts.map(String) : [];
    var isBack = coming === kept;
    teller = kept = coming;
    teller.takes = card !== null && typeof card.asks === "string" && / Words /.test(" " + card.asks + " ");
    setText(id("card"), text);
    setText(id("facts"), facts.join(" \u00b7 "));
    setText(id("engine"), "Engine: " + model.engine + (model.worker ? " in a worker." : " in this page."));
    checkTeller();
    putChooser(id("storyteller"), "Another one, from a .f6c file (or drop it here):");
    show(id("empty"), false);
    show(id("title"), true);
    if (wanted !== null) return tellWanted();
    if (isBack) return comeBack();
    complain("", "file-error");
    start();
  }

  function failed(message, code) {
    if (code > 0 && code < 32) {
      complainAboutFile((coming.own === null ? coming.file + ": " : "") + message);
      if (kept !== null && kept !== coming) load(kept);
      else if (own.length > 0 && coming.own === null) loadOwn(own[0]);
      else noModel();
      return;
    }
    leave();
    if (t !== null) {
      t.told = true;
      t.reason = "stopped";
      showState("stopped");
    }
    complain(message);
  }

  /** In the drawer if it is open, else above the line to ask: both are in view. */
  function complainAboutFile(message) {
    complain("", "file-error");
    complain("");
    complain(message, isShown(id("drawer")) || isShown(id("empty")) ? "file-error" : "error");
    if (isShown(id("drawer"))) intoView("file-error");
  }

  function pick(file) {
    if (file.size > MAX_BYTES) {
      complainAboutFile(file.name + ": no storyteller is as large as " + megabytes(file.size) + "; choose a file whose name ends in .f6c");
      return;
    }
    if (readSettings() === null) return; // which the first story of the new one is told with
    var reader = new FileReader();
    reader.onload = function () {
      loadFile(reader.result, file.name);
    };
    reader.onerror = function () {
      complainAboutFile(file.name + ": cannot read the file; check that it is a file, not a folder, and that it still exists");
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
      if (request.status === 200) loadFile(request.response, "model.f6c");
      else noModel();
    };
    request.onerror = noModel;
    request.send();
  }

  function noModel() {
    var empty = id("empty");
    if (!empty.firstChild) add(empty, "p", "", "The book is here, the storyteller is not. Choose its file; the name ends in .f6c.");
    putChooser(empty, "Its file (or drop it here):");
    setText(id("card"), "No storyteller is here yet.");
    setText(id("facts"), "");
    show(empty, true);
    show(id("title"), t !== null);
  }

  /** What chooses a file is where a storyteller is missing, and in the drawer afterwards. */
  function putChooser(place, label) {
    if (id("choose").parentNode !== place) place.appendChild(id("choose"));
    setText(id("file-label"), label);
  }

  /** A choice among the models in this page. */
  function listTellers() {
    if (own.length < 2) return;
    var sizes = [].map.call(own, function (element) {
      return Number(element.getAttribute("data-bytes"));
    });
    [].forEach.call(own, function (element, i) {
      var row = add(id("tellers"), "p", "tick"),
        radio = add(row, "input"),
        remark = sizes[i] === Math.max.apply(null, sizes) ? ": tells best" : ": smaller and sillier";
      radio.type = "radio";
      radio.name = "teller";
      radio.id = "teller-" + i;
      row.appendChild(document.createTextNode(" "));
      add(row, "label", "", element.getAttribute("data-name") + ", " + megabytes(sizes[i]) + remark).setAttribute("for", radio.id);
      on(radio, "change", function () {
        if (!radio.checked) return;
        if (readSettings() === null) checkTeller();
        else loadOwn(element);
      });
    });
  }

  function checkTeller() {
    for (var i = 0; i < own.length && own.length > 1; i++) id("teller-" + i).checked = teller !== null && own[i] === teller.own;
  }

  // ---- The drawer and the chips ----

  function openDrawer() {
    show(id("drawer"), true);
    id("open").setAttribute("aria-expanded", "true");
    id("close").focus();
  }

  function closeDrawer() {
    if (!isShown(id("drawer"))) return false;
    show(id("drawer"), false);
    id("open").setAttribute("aria-expanded", "false");
    id("open").focus();
    return true;
  }

  function reset() {
    for (var name in FIELDS) {
      id(name).value = FIELDS[name];
      id(name).className = "";
      complain("", name + "-error");
    }
    setPace("voice");
    id("wish").value = "";
    showChips();
    complain("");
    say("Everything is as at the beginning.");
  }

  function wishesInLine() {
    return id("wish")
      .value.split(/\s*,\s*/)
      .filter(function (wish) {
        return wish !== "";
      });
  }

  function showChips() {
    var chips = id("chips").getElementsByClassName("wish"),
      wishes = wishesInLine();
    for (var i = 0; i < chips.length; i++) {
      var isOn = wishes.indexOf(chips[i].textContent) >= 0;
      chips[i].className = "chip wish" + (isOn ? " on" : "");
      chips[i].setAttribute("aria-pressed", isOn ? "true" : "false");
    }
  }

  function toggleChip(text) {
    var wishes = wishesInLine(),
      at = wishes.indexOf(text);
    if (given !== null && given.line === id("wish").value) wishes = []; // not to be added to an opening
    if (at >= 0) wishes.splice(at, 1);
    else wishes.push(text);
    id("wish").value = wishes.join(", ");
    showChips();
  }

  function surprise() {
    id("wish").value = SURPRISES.map(function (list) {
      return list[Math.floor(Math.random() * list.length)];
    })
      .slice(Math.random() < 0.5 ? 1 : 0)
      .join(", ");
    showChips();
    start();
  }

  // ---- Copying ----

  function copy(text, button, words) {
    function done(message) {
      setText(id("copied"), message);
      follow();
    }
    function copyOld() {
      var area = document.createElement("textarea"),
        copied = false;
      area.value = text;
      document.body.appendChild(area);
      area.select();
      try {
        copied = document.execCommand("copy");
      } catch (error) {
        // some throw where others return false
      }
      document.body.removeChild(area);
      button.focus();
      done(copied ? words : "This browser does not let the page copy. The text is: " + text);
    }
    if (!navigator.clipboard || !navigator.clipboard.writeText) return copyOld();
    navigator.clipboard.writeText(text).then(function () {
      done(words);
    }, copyOld);
  }

  function copyLink() {
    var isFile = location.protocol === "file:" && !document.body.getAttribute("data-hosted");
    copy(
      linkForOthers(),
      id("link"),
      isFile
        ? "Copied. Send this page along, the file, with the link: your friend opens the page, pastes the link into the line below, and reads this story."
        : "Copied. Whoever opens the link reads this story."
    );
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
    text: receive,
    end: engineEnds,
    choices: receiveChoices,
    error: failed
  });

  on(id("ask"), "submit", function (event) {
    event.preventDefault();
    start();
  });
  on(id("settings"), "submit", function (event) {
    event.preventDefault();
    var settings = readSettings();
    if (settings === null) return;
    closeDrawer();
    start(settings);
  });
  on(id("yours"), "submit", function (event) {
    event.preventDefault();
    writeOn();
  });
  on(id("wish"), "input", showChips);
  on(id("chips"), "click", function (event) {
    if (/\bwish\b/.test(event.target.className)) toggleChip(event.target.textContent);
  });
  on(id("surprise"), "click", surprise);
  on(id("another"), "click", function () {
    start();
  });
  on(id("stop"), "click", function () {
    stop("stopped");
  });
  on(id("faster"), "click", function () {
    setPace(pace === "voice" ? "quick" : "fast");
  });
  on(id("more"), "click", goOn);
  on(id("write"), "click", yourTurn);
  on(id("link"), "click", copyLink);
  on(id("copy"), "click", function () {
    copy(id("story").textContent, id("copy"), "Copied: the whole story.");
  });
  on(id("open"), "click", function () {
    if (!closeDrawer()) openDrawer();
  });
  on(id("close"), "click", closeDrawer);
  on(id("reset"), "click", reset);
  on(id("parade"), "click", startParade);
  Object.keys(PACES).forEach(function (name) {
    on(id("pace-" + name), "change", function () {
      if (id("pace-" + name).checked) setPace(name);
    });
  });

  on(id("story"), "click", function (event) {
    var span = spanOf(event.target);
    if (span !== null) openChoices(span, true);
  });
  on(id("story"), "mouseover", function (event) {
    var span = spanOf(event.target);
    if (span === null || (choices.pinned && choices.unit !== null)) return;
    clearTimeout(choices.timer);
    choices.timer = setTimeout(function () {
      openChoices(span, false);
    }, 400);
  });
  function letGo() {
    if (choices.pinned && choices.unit !== null) return;
    clearTimeout(choices.timer);
    choices.timer = setTimeout(closeChoices, 300);
  }
  on(id("story"), "mouseout", letGo);
  on(id("choices"), "mouseout", letGo);
  on(id("choices"), "mouseover", function () {
    clearTimeout(choices.timer);
  });
  on(id("choices"), "click", function (event) {
    var target = event.target;
    while (target !== id("choices") && !target.getAttribute("data-choice")) target = target.parentNode;
    if (target !== id("choices")) choose(Number(target.getAttribute("data-choice")));
  });
  on(document, "click", function (event) {
    if (choices.unit !== null && spanOf(event.target) === null && !(id("choices").contains && id("choices").contains(event.target)))
      closeChoices();
  });
  on(id("story"), "keydown", function (event) {
    var spans = id("story").getElementsByClassName("w"),
      at = id("story").getAttribute("data-at");
    if (event.keyCode === 37 || event.keyCode === 39) {
      move(event.keyCode === 39 ? 1 : -1);
      event.preventDefault();
    } else if (event.keyCode === 13 && at !== null && spans[at]) {
      choices.byKeyboard = true;
      openChoices(spans[at], true);
      event.preventDefault();
    }
  });
  on(document, "keydown", function (event) {
    if (event.keyCode !== 27) return;
    if (choices.unit !== null) closeChoices();
    else if (!closeDrawer()) stop("stopped");
  });
  on(window, "scroll", function () {
    var top = scrollTop();
    if (top < scrolledTo - 4) following = false;
    else if (window.innerHeight + top >= document.documentElement.scrollHeight - 8) following = true;
    scrolledTo = top;
  });
  on(window, "resize", function () {
    if (choices.unit !== null) placeChoices();
  });

  on(id("file"), "click", function () {
    id("file").value = ""; // the same file may have changed
  });
  on(id("file"), "change", function () {
    if (id("file").files.length > 0) pick(id("file").files[0]);
  });
  on(window, "hashchange", function () {
    if (location.href !== shownAddress && /#(?:.*&)?(?:seed|wish|prompt)=/.test(location.href)) tellAddress(location.href);
  });

  function dragsFiles(event) {
    var types = event.dataTransfer ? event.dataTransfer.types : [];
    for (var i = 0; i < types.length; i++) if (types[i] === "Files") return true;
    return false;
  }
  on(document, "dragover", function (event) {
    if (!dragsFiles(event)) return;
    event.preventDefault();
    document.documentElement.className = "dropping";
  });
  on(document, "dragleave", function (event) {
    if (!event.relatedTarget) document.documentElement.className = "";
  });
  on(document, "drop", function (event) {
    if (!dragsFiles(event)) return;
    event.preventDefault();
    document.documentElement.className = "";
    if (event.dataTransfer.files.length > 0) pick(event.dataTransfer.files[0]);
  });

  listTellers();
  tellAddress(location.href);
  if (own.length === 0) {
    if (location.protocol !== "file:") fetchModel();
    else noModel();
  }
})();
