// The Z80's page: a machine with FABLE.COM, a line to type, and its clock. Joined with the emulator by make_site.py.
const screen = document.getElementById("screen");
const field = document.getElementById("typed");
const clock = document.getElementById("clock");
const form = document.getElementById("line");
const says = document.querySelectorAll(".say");
const program = Uint8Array.from(atob(FABLE_COM.data), (letter) => letter.charCodeAt(0));
const SLICE = 40; // ms of work between two looks at the page
let computer, last, line;

function write(character) {
  if (character !== "\r") screen.lastChild.data += character;
}

function start() {
  screen.textContent = "";
  screen.appendChild(document.createTextNode(""));
  computer = new Computer(program, write);
  last = performance.now();
  line = 0;
  setTimeout(work, 0);
}

function hertz() {
  return Number(document.querySelector("[name=clock]:checked").value);
}

/** A slice of the machine's time: at its clock, as many T-states as have passed; otherwise as many as fit. */
function work() {
  const now = performance.now();
  const before = computer.ticks;
  let more;
  if (hertz() > 0) more = computer.run((Math.min(now - last, 250) / 1000) * hertz());
  else
    do more = computer.run(100000);
    while (more && performance.now() < now + SLICE);
  last = now;
  line += computer.ticks - before;
  screen.scrollTop = screen.scrollHeight;
  if (more) {
    setTimeout(work, hertz() > 0 ? 16 : 0);
  } else if (computer.ended) {
    say("The program has ended. Switch it off and on to begin again.", true);
  } else {
    say(`It took ${Math.round(line).toLocaleString("en")} T-states, ${(line / 4e6).toFixed(2)} s at 4 MHz, and waits for a line.`, false);
  }
}

function say(words, busy) {
  clock.textContent = words;
  for (const button of says) button.disabled = busy;
}

function enter(text) {
  if (computer.ended) return;
  screen.lastChild.data += `${text}\n`;
  computer.type(text);
  line = 0;
  last = performance.now();
  say("It thinks.", true);
  work();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (clock.textContent === "It thinks.") return;
  enter(field.value);
  field.value = "";
});
for (const button of says) button.addEventListener("click", () => enter(button.textContent));
document.getElementById("reset").addEventListener("click", start);
form.hidden = document.getElementById("speed").hidden = false;
start();
