// Observation page: keys become presses in the outbox; what the session says becomes what is shown.
import { SessionClock } from "./clock.js";
import { enterWith, Link } from "./link.js";
import { Outbox, storageOrNone } from "./outbox.js";
import { View } from "./view.js";

const clock = new SessionClock();
const view = new View(clock);
const element = (id) => document.getElementById(id);
let outbox = null;

const link = new Link(clock, {
  state: (state) => view.link(state, outbox),
  outbox: () => view.waiting(outbox),
  unwritten: (why) => view.problem(why === "" ? "" : `Not yet on disk: ${why}`),
  refused: (press, why) => view.refused(press, why),
  message: (message) => {
    if (message.type === "tag") {
      view.tag(message.tag);
    } else if (message.type === "taken") {
      view.taken(message.press);
    } else if (message.type === "snapshot") {
      if (outbox === null) {
        // Presses of a page that was closed before they were sent wait under this name.
        outbox = new Outbox(`${message.session.id}:${message.observer}`, storageOrNone());
        link.outbox = outbox;
      }
      view.snapshot(message);
      view.waiting(outbox);
    }
  },
});

// A key counts from the moment the finger is on it; a click comes when the finger leaves.
let touched = null;
addEventListener(
  "pointerdown",
  (event) => {
    clock.check();
    touched = { key: event.target.closest?.("button") ?? null, wall: SessionClock.wallOf(event) };
  },
  { capture: true },
);

function momentOf(event) {
  const key = event.target.closest?.("button") ?? null;
  const wall = SessionClock.wallOf(event);
  return key !== null && touched?.key === key && wall - touched.wall < 5000 ? touched.wall : wall;
}

// Keep a press, show it as waiting, and send it; `event` is the touch, whose time it has.
function press(event, what) {
  if (outbox === null) {
    view.problem("The page has not reached the computer yet, so that key was not taken.");
    return;
  }
  clock.check();
  const wall = momentOf(event);
  outbox.add({ ...what, wall, at_us: clock.at(wall) });
  if (!outbox.kept) view.problem("This browser keeps nothing: presses that wait are lost when the page is closed.");
  navigator.vibrate?.(15);
  view.waiting(outbox);
  link.flush();
}

element("keys").addEventListener("click", (event) => {
  const key = event.target.closest("button");
  if (key === null) return;
  press(event, { do: "behaviour", animal: view.animal, behaviour: key.dataset.behaviour });
  view.chooseNextToScan();
});
element("animals").addEventListener("click", (event) => {
  const key = event.target.closest("button");
  if (key !== null) view.choose(key.dataset.animal);
});
element("out").addEventListener("click", (event) => press(event, { do: "out of sight", animal: view.animal }));
element("pause").addEventListener("click", (event) => press(event, { do: view.paused ? "resume" : "pause" }));
element("undo").addEventListener("click", (event) => {
  const last = view.undoable;
  if (last !== null) press(event, { do: "undo", of: last.number });
});

element("more").addEventListener("click", () => element("more-box").showModal());
for (const close of document.querySelectorAll("dialog .close")) {
  close.addEventListener("click", () => close.closest("dialog").close());
}
element("note-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("note").value.trim();
  if (text === "") return;
  press(event, { do: "note", text, animal: view.animal });
  element("note").value = "";
  element("more-box").close();
});
let taps = 0;
element("tap-open").addEventListener("click", () => {
  taps = 0;
  element("tapped").textContent = "0 taps";
  element("more-box").close();
  element("tap-box").showModal();
});
// The touch itself, not its end: the moment is what counts here.
function tap(event) {
  taps += 1;
  element("tapped").textContent = taps === 1 ? "1 tap" : `${taps} taps`;
  press(event, { do: "tap" });
}
element("tap").addEventListener("pointerdown", tap);
// A keyboard's click has no touch before it.
element("tap").addEventListener("click", (event) => event.detail === 0 && tap(event));
element("focal").addEventListener("click", (event) => {
  press(event, { do: "sample", mode: "focal", interval_s: 0 });
  element("more-box").close();
});
element("scanning").addEventListener("click", (event) => {
  const field = element("interval");
  const interval = Number(field.value);
  const fits = Number.isInteger(interval) && interval >= 2 && interval <= 24 * 3600;
  field.setCustomValidity(fits ? "" : "Whole seconds from 2 to 86400, please.");
  if (!field.reportValidity()) return;
  press(event, { do: "sample", mode: "scan", interval_s: interval });
  element("more-box").close();
});
element("interval").addEventListener("input", () => element("interval").setCustomValidity(""));
element("end").addEventListener("click", (event) => {
  const key = element("end");
  if (key.dataset.sure !== "yes") {
    key.dataset.sure = "yes";
    key.textContent = "Press again to end";
    setTimeout(() => {
      key.dataset.sure = "";
      key.textContent = "End my session";
    }, 4000);
    return;
  }
  press(event, { do: "end" });
  element("more-box").close();
});

element("events").addEventListener("click", (event) => {
  const key = event.target.closest("button");
  if (key !== null) view.correcting(Number(key.dataset.number));
});
element("correct-keys").addEventListener("click", (event) => {
  const key = event.target.closest("button");
  if (key === null) return;
  press(event, { do: "correct", of: view.corrected.number, behaviour: key.dataset.behaviour });
  element("correct-box").close();
});
element("correct-times").addEventListener("click", (event) => {
  const key = event.target.closest("button");
  if (key === null) return;
  const to = Math.round((view.corrected.time + Number(key.dataset.by)) * 1e6);
  press(event, { do: "correct", of: view.corrected.number, to_us: to });
  element("correct-box").close();
});
element("correct-undo").addEventListener("click", (event) => {
  press(event, { do: "undo", of: view.corrected.number });
  element("correct-box").close();
});

// The screen stays on where the browser lets it; without that it may sleep, and the page connects again.
async function stayAwake() {
  try {
    if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen");
  } catch {
    // Refused, as with little battery left.
  }
}
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
setInterval(() => view.tick(), 500);
addEventListener("resize", () => view.tick());

// A link with a code on a browser that is in already: another observer takes this device.
const linked = location.hash.slice(1);
if (/^[0-9]{8}$/.test(linked)) {
  history.replaceState(null, "", "/");
  enterWith(linked).then((problem) => (problem === "" ? location.reload() : view.problem(problem)));
}
link.connect();
