/** What a person asks for, as a storyteller can take it. docs/web-page.md states these rules in words. */
var Wish = (function () {
  var MOST_WISHES = 6,
    LONGEST_WISH = 6; // words
  var BEINGS = (
    " girl boy child man woman king queen prince princess witch wizard giant fairy elf pirate knight baby mom mum dad grandma " +
    "grandpa mother father brother sister friend teacher farmer doctor robot monster ghost dragon unicorn dinosaur mermaid fox wolf bear cat " +
    "kitten dog puppy mouse rat rabbit bunny hare frog toad turtle snail bird owl duck goose hen chicken rooster crow parrot eagle swan " +
    "penguin pig cow horse pony donkey goat sheep lamb lion tiger elephant monkey giraffe zebra hippo crocodile snake lizard fish shark " +
    "whale dolphin crab octopus bee ant bug butterfly spider worm ladybug squirrel hedgehog deer mole bat panda koala kangaroo "
  ).split(" ");
  var QUALITIES = (
    " happy sad brave kind little big small tiny huge old young clever smart silly funny shy lonely curious hungry lost angry " +
    "lazy sleepy tired gentle magic magical scared strong poor rich quiet loud proud greedy grumpy naughty friendly beautiful pretty "
  ).split(" ");
  var DETERMINERS = /^(?:an?|the|some|many|two|three|four|five|ten|my|his|her|their|our|your|no) /i;
  var UNTOLD =
    " a an the some many my his her their our your no of in at on under near by inside behind with and called named very word story ";

  function trimmed(text) {
    return text.replace(/^[\s.!?]+|[\s.!?]+$/g, "");
  }

  function has(list, word) {
    return word !== "" && list.indexOf(word.toLowerCase()) >= 0;
  }

  function lastWord(text) {
    return text.slice(text.lastIndexOf(" ") + 1);
  }

  function withArticle(text) {
    if (DETERMINERS.test(text)) return text;
    if (/[^s]s$/i.test(text)) return "some " + text;
    return (/^[aeiou]/i.test(text) ? "an " : "a ") + text;
  }

  function listed(parts) {
    return parts.length < 2 ? parts.join("") : parts.slice(0, -1).join(", ") + " and " + parts[parts.length - 1];
  }

  /** One part of the line: {kind, text, …}. */
  function classify(part) {
    var named = /^(.*?)\s*\b(?:called|named)\s+(.+)$/i.exec(part),
      word = /^the word ["'\u201c]?([^\s"'\u201d]+)["'\u201d]?$/i.exec(part);
    if (named) return { kind: "hero", noun: named[1] || "a child", name: named[2].charAt(0).toUpperCase() + named[2].slice(1), text: part };
    if (word) return { kind: "word", text: word[1] };
    if (/^[A-Z][a-z'-]+$/.test(part) && !has(BEINGS, part) && !has(QUALITIES, part))
      return { kind: "hero", noun: "a child", name: part, text: part };
    if (/\b(?:end|ending|story)$/i.test(part)) return { kind: "mood", text: part };
    if (/^(?:in|at|on|under|near|by|inside|behind) /i.test(part)) return { kind: "place", text: part };
    if (has(QUALITIES, part)) return { kind: "quality", text: part.toLowerCase() };
    if (has(BEINGS, lastWord(part)) || has(BEINGS, lastWord(part).replace(/s$/, ""))) return { kind: "being", text: part };
    return { kind: "thing", text: part };
  }

  /** The line, as an opening that holds what was asked for. */
  function opening(parts) {
    var hero = null,
      others = [],
      things = [],
      moods = "",
      place = "",
      qualities = "";
    parts.forEach(function (part) {
      if (part.kind === "hero" && (hero === null || hero.kind === "being")) {
        if (hero !== null) others.unshift(hero);
        hero = part;
      } else if (part.kind === "being" && hero === null) hero = part;
      else if (part.kind === "hero" || part.kind === "being") others.push(part);
      else if (part.kind === "thing") things.push(withArticle(part.text));
      else if (part.kind === "mood")
        moods += "This is " + (/story$/i.test(part.text) ? withArticle(part.text) : "a story with " + withArticle(part.text)) + ". ";
      else if (part.kind === "place") place += ", " + part.text;
      else if (part.kind === "quality") qualities += part.text + " ";
    });
    function who(being) {
      return being.kind === "hero" ? withArticle(being.noun) + " called " + being.name : withArticle(being.text);
    }
    var noun = hero === null ? "child" : (hero.noun || hero.text).replace(DETERMINERS, "");
    var first = who({ kind: hero === null ? "being" : hero.kind, noun: qualities + noun, text: qualities + noun, name: hero && hero.name });
    if (qualities === "" && hero !== null) first = who(hero);
    var me = hero !== null && hero.kind === "hero" ? hero.name : "The " + lastWord(noun);
    var text =
      moods +
      "Once upon a time" +
      place +
      ", there " +
      (/^(?:some|many|two|three|four|five|ten) /i.test(first) ? "were " : "was ") +
      first +
      ".";
    if (things.length > 0) text += " " + me + " had " + listed(things) + ".";
    if (others.length > 0) text += " One day, " + me.replace(/^The/, "the") + " met " + listed(others.map(who)) + ".";
    return text;
  }

  /** What the line asks for: {prompt, wishes: [{text, words}], ignored: [text]}. `card` is the model's, an object or null. */
  function ask(line, card) {
    var begun = /^(.*?)\s*(?:\u2026|\.\.\.)\s*$/.exec(line);
    if (begun) return { prompt: begun[1], wishes: [], ignored: [] };
    var parts = [],
      ignored = [];
    line
      .replace(/\b(?:please|tell me|a story (?:about|with|of)|with)\b/gi, " ")
      .split(/[,;\n]|\band\b/)
      .forEach(function (part) {
        part = trimmed(part).replace(/\s+/g, " ");
        if (part === "") return;
        if (part.split(" ").length > LONGEST_WISH || parts.length === MOST_WISHES) ignored.push(part);
        else parts.push(classify(part));
      });
    return {
      prompt: parts.length === 0 ? "Once upon a time" : toModel(parts, card),
      wishes: parts.map(function (part) {
        return { text: part.text, words: wordsOf(part.text) };
      }),
      ignored: ignored
    };
  }

  /** The seam: a model whose card says that it takes wishes as a header gets its header here, once there are such models. All that there
      are today take an opening. */
  function toModel(parts, card) {
    return opening(parts);
  }

  function wordsOf(text) {
    return text
      .toLowerCase()
      .split(/[^a-z\u0080-\uffff'-]+/)
      .filter(function (word) {
        return word !== "" && UNTOLD.indexOf(" " + word + " ") < 0;
      });
  }

  /** Whether a told word is an asked one, or a form of it by its regular endings. */
  function isForm(asked, told) {
    function plain(word) {
      return word
        .toLowerCase()
        .replace(/\u2019/g, "'")
        .replace(/[\u2000-\u206f]/g, "") // quotation marks, dashes
        .replace(/^[^a-z0-9\u0080-\uffff]+|[^a-z0-9\u0080-\uffff]+$/g, "")
        .replace(/'s$/, "");
    }
    var base = plain(asked).replace(/([^s]{2})s$/, "$1"),
      word = plain(told);
    if (word === base || word === plain(asked)) return base !== "";
    var last = base.charAt(base.length - 1),
      stem = base.slice(0, -1);
    if (last === "e") return word.indexOf(stem) === 0 && /^(?:es|ed|er|est|ing|ely|y)$/.test(word.slice(stem.length));
    if (last === "y") return word.indexOf(stem) === 0 && /^(?:ys|yed|ying|ies|ied|ier|iest|ily)$/.test(word.slice(stem.length));
    if (word.indexOf(base) !== 0) return false;
    var rest = word.slice(base.length);
    return /^(?:s|es|ed|er|est|ing|ly|y)$/.test(rest) || (rest.charAt(0) === last && /^(?:ed|er|est|ing|y)$/.test(rest.slice(1)));
  }

  return { ask: ask, isForm: isForm };
})();
