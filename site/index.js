// The first page's story: told by the model that this page carries, at the pace that is chosen, and the speed that it had.
(function () {
  var story = document.getElementById("story"),
    state = document.getElementById("state"),
    heading = document.getElementById("now"),
    controls = document.getElementById("controls"),
    stop = document.getElementById("stop"),
    again = document.getElementById("again");
  var recorded = story.innerHTML,
    PROMPT = "Once upon a time",
    WARM = 9; // the seed of the story that is made, and not shown, to measure a browser that has compiled the engine
  var pieces = [],
    shown = 0,
    ended = true,
    seed = 0,
    timer = null,
    measuring = false,
    kind = "";

  scale(document.querySelectorAll(".bar"));
  if (typeof Fable6 === "undefined" || typeof FABLE6_SMALL === "undefined") return; // the recorded story stays

  var fable6 = Fable6({
    loaded: function (model) {
      kind = model.engine;
      controls.hidden = false;
      tell();
    },
    text: function (piece, made) {
      if (measuring) return;
      var first = pieces.length === 0;
      pieces = pieces.concat(made.pieces.length > 0 ? made.pieces : [piece]);
      if (first && timer === null) next();
    },
    end: function (reason, made) {
      if (measuring) {
        measuring = false;
        measured(made.tokens / made.seconds);
        return;
      }
      ended = true;
      if (reason !== "stopped") {
        measuring = true;
        fable6.tell({ prompt: PROMPT, seed: WARM });
      }
    },
    error: function (message) {
      clearTimeout(timer);
      timer = null;
      story.innerHTML = recorded;
      heading.textContent = "One of its stories";
      state.textContent = "Told earlier, because it cannot run here: " + message;
      controls.hidden = true;
    },
  });
  fable6.load(FABLE6_SMALL.data, FABLE6_SMALL.sha256);

  function pace() {
    var chosen = document.querySelector("[name=pace]:checked");
    return Number(chosen ? chosen.value : 5);
  }

  function tell() {
    clearTimeout(timer);
    timer = null;
    seed = 1 + Math.floor(Math.random() * 999);
    pieces = [];
    shown = 0;
    ended = false;
    measuring = false;
    heading.textContent = "Being told on your machine, now";
    state.textContent = "";
    story.setAttribute("aria-busy", "true");
    story.textContent = "";
    paragraph().textContent = PROMPT;
    stop.disabled = false;
    fable6.tell({ prompt: PROMPT, seed: seed });
  }

  function paragraph() {
    return story.appendChild(document.createElement("p"));
  }

  function next() {
    timer = null;
    if (shown >= pieces.length) {
      if (ended) finish("The end. This was seed " + seed + ".");
      else timer = setTimeout(next, 50);
      return;
    }
    var rate = pace();
    if (rate === 0) while (shown < pieces.length) show(pieces[shown++]);
    else show(pieces[shown++]);
    if (story.scrollHeight > story.clientHeight) story.scrollTop = story.scrollHeight;
    timer = setTimeout(next, rate === 0 ? 0 : 1000 / rate);
  }

  function show(piece) {
    var lines = piece.split("\n");
    for (var i = 0; i < lines.length; i++) {
      var last = story.lastChild;
      if (i > 0 && last.textContent !== "") last = paragraph();
      if (lines[i]) last.appendChild(document.createTextNode(lines[i]));
    }
  }

  function finish(words) {
    clearTimeout(timer);
    timer = null;
    heading.textContent = "Told on your machine, just now";
    state.innerHTML = words + ' <a href="story.html#seed=' + seed + '">Open it in the storyteller</a>.';
    story.removeAttribute("aria-busy");
    stop.disabled = true;
  }

  function measured(rate) {
    if (!isFinite(rate)) return;
    var bar = document.getElementById("bar");
    bar.setAttribute("data-low", rate);
    bar.setAttribute("data-high", rate);
    scale([bar]);
    document.getElementById("measured").textContent = Math.round(rate).toLocaleString("en");
    document.getElementById("engine").textContent = kind + ", measured just now";
  }

  /** From 1 to 10,000 tokens a second, by the logarithm: solid up to the low end, pale up to the high one. */
  function scale(bars) {
    for (var i = 0; i < bars.length; i++) {
      var low = Number(bars[i].getAttribute("data-low")),
        high = Number(bars[i].getAttribute("data-high"));
      if (!low) continue;
      bars[i].innerHTML = '<i style="width:' + place(high) + '%"></i><b style="width:' + place(low) + '%"></b>';
    }
  }

  function place(rate) {
    return Math.max(0, Math.min(100, (Math.log(rate) / Math.log(10000)) * 100)).toFixed(1);
  }

  again.addEventListener("click", tell);
  stop.addEventListener("click", function () {
    if (!ended) fable6.stop();
    finish("Stopped.");
  });
})();
