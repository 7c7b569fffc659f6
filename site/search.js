// The documentation's search: all words have to occur in a section; its index is loaded when the field is first used.
(function () {
  var field = document.getElementById("site-words"),
    list = document.getElementById("site-found"),
    menu = document.getElementById("site-menu"),
    asked = false;
  if (!field || !list) return;
  if (window.matchMedia && window.matchMedia("(min-width: 60em)").matches) menu.open = true;

  function load() {
    if (asked) return;
    asked = true;
    var script = document.createElement("script");
    script.src = FABLE6_UP + "search-index.js";
    script.onload = show;
    script.onerror = function () {
      list.innerHTML = "<li>The index of the search could not be loaded.</li>";
    };
    document.body.appendChild(script);
  }

  function show() {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.innerHTML = "";
    if (words.length === 0 || typeof FABLE6_PAGES === "undefined") return;
    var hits = [];
    FABLE6_PAGES.forEach(function (section) {
      var heading = (section[1] + " " + section[2]).toLowerCase(),
        text = section[3].toLowerCase(),
        score = 0;
      var all = words.every(function (word) {
        if (heading.indexOf(word) >= 0) score += 10;
        else if (text.indexOf(word) < 0) return false;
        score += 1;
        return true;
      });
      if (all) hits.push([score, section]);
    });
    hits.sort(function (a, b) {
      return b[0] - a[0];
    });
    if (hits.length === 0) {
      list.innerHTML = "<li>Nothing has all of these words.</li>";
      return;
    }
    hits.slice(0, 12).forEach(function (hit) {
      var item = document.createElement("li"),
        link = document.createElement("a");
      link.href = FABLE6_UP + hit[1][0];
      link.textContent = hit[1][1] === hit[1][2] ? hit[1][1] : hit[1][1] + ": " + hit[1][2];
      item.appendChild(link);
      list.appendChild(item);
    });
  }

  field.addEventListener("focus", load);
  field.addEventListener("input", function () {
    load();
    show();
  });
  document.getElementById("site-search").addEventListener("submit", function (event) {
    event.preventDefault();
    var first = list.querySelector("a");
    if (first) first.click();
  });
})();
