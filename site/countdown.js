// Counts to the date in site/settings.toml by the reader's own clock.
(function () {
  var end = new Date(document.getElementById("countdown").getAttribute("data-date")).getTime();
  var UNITS = [
    ["days", 86400],
    ["hours", 3600],
    ["minutes", 60],
    ["seconds", 1],
  ];

  function count() {
    var rest = Math.max(0, Math.ceil((end - new Date().getTime()) / 1000));
    for (var i = 0; i < UNITS.length; i++) {
      document.getElementById(UNITS[i][0]).textContent = Math.floor(rest / UNITS[i][1]);
      rest = rest % UNITS[i][1];
    }
    if (end > new Date().getTime()) setTimeout(count, 1000 - (new Date().getTime() % 1000));
    else
      document.getElementById("until").textContent =
        "Zero. Humanity is on its own now (satire). Whether the release is out, the download page of the project says.";
  }
  if (!isNaN(end)) count();
})();
