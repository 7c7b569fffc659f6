/** What a person asks for, as a storyteller can take it. docs/web-page.md states these rules in words. */
var Wish = (function () {
  var MAX_WISHES = 6,
    LONGEST_WISH = 6, // words
    MAX_WORDS = 3; // of a header
  var WORD = /^[a-z](?:[a-z'-]{0,18}[a-z])$/i; // that a header can have
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
  var IRREGULAR = {
    mice: "mouse",
    geese: "goose",
    men: "man",
    women: "woman",
    children: "child",
    people: "person",
    feet: "foot",
    teeth: "tooth"
  };
  var DETERMINER =
    /^(?:an?|the|some|many|two|three|four|five|six|seven|eight|nine|ten|[0-9]+|my|his|her|their|our|your|no|\S+['\u2019]s)(?![^ ])/i;
  var NUMBER = /^(?:some|many|two|three|four|five|six|seven|eight|nine|ten|[0-9]+) /;
  var PLACE = /^(?:in|at|on|under|near|by|inside|behind) /i;
  var LEAD_IN =
    /^(?:please|(?:can|could) you|i (?:want|would like)|(?:tell|write)(?: (?:me|us))?|(?:an?|the|another) story|about|with|of)(?![^ ])/i;
  var TAIL = / (?:with|without|who|that|which|from|of|for|like|in|at|on|under|near|by|inside|behind) .*$/i; // what follows the noun
  var NAME = /^[A-Z\u00c0-\u00de][a-z\u00df-\u024f'\u2019-]+$/;
  var UNTOLD =
    " a an the some many my his her their our your no of in at on under near by inside behind with without who that which from for like and " +
    "called named very word story ";

  function trimmed(text) {
    return text.replace(/^[\s.!?]+|[\s.!?]+$/g, "");
  }

  function has(list, word) {
    return word !== "" && list.indexOf(word.toLowerCase()) >= 0;
  }

  function lastWord(text) {
    return text.slice(text.lastIndexOf(" ") + 1);
  }

  /** Without what politeness puts before and after a wish. */
  function bare(part) {
    part = trimmed(part).replace(/\s+/g, " ");
    while (LEAD_IN.test(part)) part = trimmed(part.replace(LEAD_IN, ""));
    return part.replace(/ please$/i, "");
  }

  function isBeing(word) {
    word = word.toLowerCase();
    return (
      has(BEINGS, word) ||
      has(BEINGS, word.replace(/s$/, "")) ||
      has(BEINGS, word.replace(/es$/, "")) ||
      has(BEINGS, word.replace(/ies$/, "y")) ||
      has(BEINGS, word.replace(/ves$/, "f")) ||
      (IRREGULAR.hasOwnProperty(word) && has(BEINGS, IRREGULAR[word]))
    );
  }

  function isPlural(text) {
    var word = lastWord(text.replace(TAIL, ""));
    return IRREGULAR.hasOwnProperty(word) || /[^su]s$/.test(word);
  }

  /** Small letters where a capital is no part of a name: at the beginning, in beings and qualities, and where every word has one. */
  function lowered(text) {
    var isTitle = !/(?:^| )[^A-Z]/.test(text);
    return text.replace(/\S+/g, function (word, at) {
      var isName = /['\u2019]s$/.test(word) || !(at === 0 || isTitle || isBeing(word) || has(QUALITIES, word));
      return isName ? word : word.toLowerCase();
    });
  }

  function isName(text) {
    return text.split(" ").every(function (word) {
      return NAME.test(word) && !DETERMINER.test(word) && !isBeing(word) && !has(QUALITIES, word);
    });
  }

  function withArticle(text) {
    if (DETERMINER.test(text)) return text;
    if (isPlural(text)) return "some " + text;
    return (/^(?!uni|use|eu|one )[aeiou]/i.test(text) ? "an " : "a ") + text;
  }

  /** As somebody or something that the story has not named before: "the dragon" is "a brave dragon". */
  function introduced(text, qualities) {
    var determiner = (DETERMINER.exec(text) || [""])[0],
      noun = text.slice(determiner.length).trim();
    return /^(?:an?|the)?$/.test(determiner) ? withArticle(qualities + noun) : determiner + " " + qualities + noun;
  }

  function listed(parts) {
    return parts.length < 2 ? parts.join("") : parts.slice(0, -1).join(", ") + " and " + parts[parts.length - 1];
  }

  /** One part of the line: {kind, text, …}. */
  function classify(part) {
    var named = /^(.*?) ?\b(?:called|named) (.+)$/i.exec(part),
      word = /^the word ["'\u201c]?([^\s"'\u201d]+)["'\u201d]?$/i.exec(part),
      title = /^([A-Z]\S*) (.+)$/.exec(part), // King Arthur
      text = lowered(part);
    if (named) {
      var tail = (TAIL.exec(named[2]) || [""])[0],
        name = named[2].slice(0, named[2].length - tail.length).replace(/(^|[ -])([a-z\u00df-\u024f])/g, function (found) {
          return found.toUpperCase();
        });
      return { kind: "hero", noun: lowered(named[1]) || "a child", name: name, tail: tail, text: part };
    }
    if (word) return { kind: "word", text: word[1] };
    if (PLACE.test(part)) return { kind: "place", text: part.charAt(0).toLowerCase() + part.slice(1) };
    if (/\b(?:end|ending|story)$/i.test(part)) return { kind: "mood", text: text };
    if (title && isBeing(title[1]) && isName(title[2]))
      return { kind: "hero", noun: withArticle(title[1].toLowerCase()), name: title[2], tail: "", text: part };
    if (isName(part)) return { kind: "hero", noun: "a child", name: part, tail: "", text: part };
    if (has(QUALITIES, part)) return { kind: "quality", text: text };
    if (isBeing(lastWord(part.replace(TAIL, "")))) return { kind: "being", noun: text, text: text };
    return { kind: "thing", text: text };
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
        moods += "This is " + (/story$/.test(part.text) ? "" : "a story with ") + introduced(part.text, "") + ". ";
      else if (part.kind === "place") place += ", " + part.text;
      else if (part.kind === "quality") qualities += part.text + " ";
    });
    if (hero === null) hero = { kind: "being", noun: "a child" };
    function who(being, qualities) {
      return introduced(being.noun, qualities) + (being.kind === "hero" ? " called " + being.name + being.tail : "");
    }
    var first = who(hero, qualities),
      noun = hero.noun.replace(TAIL, ""),
      me = hero.kind === "hero" ? hero.name : "The " + lastWord(noun),
      text = moods + "Once upon a time" + place + ", there " + (NUMBER.test(first) || isPlural(noun) ? "were " : "was ") + first + ".";
    if (things.length > 0) text += " " + me + " had " + listed(things) + ".";
    if (others.length > 0) {
      var met = others.map(function (being) {
        return who(being, "");
      });
      text += " One day, " + me.replace(/^The/, "the") + " met " + listed(met) + ".";
    }
    return text;
  }

  /** The header of a model that takes wishes (docs/asking.md), and the wishes that have no place in it: {text, left: [part]}. */
  function headed(parts) {
    var words = [],
      fields = {},
      left = [];
    parts.forEach(function (part) {
      var asked = wordsOf(part.kind === "hero" ? part.noun + part.tail : part.text).filter(function (word) {
          return words.indexOf(word) < 0 && !(part.kind === "hero" && word === "child");
        }),
        values = part.kind === "mood" ? part.text.match(/\b(?:happy|sad|short|middle|long)\b/g) || [] : [];
      values.forEach(function (value) {
        fields[/happy|sad/.test(value) ? "Mood" : "Length"] = value;
      });
      if (values.length > 0) return;
      var isNamed = part.kind === "hero" && !fields.Name && WORD.test(part.name);
      if (part.kind === "mood" || (part.kind === "hero" && !isNamed) || words.length + asked.length > MAX_WORDS || !asked.every(isWord)) {
        left.push(part);
        return;
      }
      if (isNamed) fields.Name = part.name;
      words = words.concat(asked);
    });
    if (words.length > 0) fields.Words = words.map(twice).join(", ");
    var text = "";
    ["Words", "Name", "Mood", "Length"].forEach(function (name) {
      if (fields[name]) text += name + ": " + fields[name] + "\n"; // in the command line's order
    });
    return { text: text === "" ? "" : "\u0001" + text + "\u0002", left: left };
  }

  function isWord(text) {
    return WORD.test(text);
  }

  function twice(word) {
    return word + " " + word;
  }

  /** What the line asks for: {header, prompt, wishes: [{text, words}], ignored: [text]}. `takes`: the model takes wishes, in a header; any
      other gets an opening. */
  function ask(line, takes) {
    var begun = /^(.*?)\s*(?:\u2026|\.\.\.)\s*$/.exec(line);
    if (begun) return { header: "", prompt: begun[1], wishes: [], ignored: [] };
    var parts = [],
      ignored = [];
    line.split(/[,;\n]|\band\b/i).forEach(function (part) {
      part = bare(part);
      var story = /^((?:an? |the )?\S+ story) (?:about|with|of) /i.exec(part); // "a sad story about a fox" is two wishes
      (story ? [story[1], bare(part.slice(story[0].length))] : [part]).forEach(function (wish) {
        if (/^(?:end|ending)?$/i.test(wish.replace(DETERMINER, "").trim())) return; // asks for nothing
        if (wish.split(" ").length > LONGEST_WISH || parts.length === MAX_WISHES) ignored.push(wish);
        else parts.push(classify(wish));
      });
    });
    var header = takes ? headed(parts) : { text: "", left: [] };
    if (header.text !== "") {
      parts = parts.filter(function (part) {
        return header.left.indexOf(part) < 0;
      });
      header.left.forEach(function (part) {
        ignored.push(part.text);
      });
    }
    return {
      header: header.text,
      prompt: header.text !== "" ? "" : parts.length === 0 ? "Once upon a time" : opening(parts),
      wishes: parts.map(function (part) {
        return { text: part.text, words: part.kind === "word" ? [part.text.toLowerCase()] : wordsOf(part.text) };
      }),
      ignored: ignored
    };
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
