// View: what the session says, as text and keys. Texts are set as texts, never as markup.
import { colourOf, draw, inkOn, lettersOf } from "./ethogram.js";

const element = (id) => document.getElementById(id);

function made(name, text, values = {}) {
  const found = document.createElement(name);
  found.textContent = text;
  for (const [key, value] of Object.entries(values)) found.dataset[key] = value;
  return found;
}

function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

const percent = (share) => `${Math.round(100 * share)} %`;

export class View {
  constructor(clock) {
    this.clock = clock;
    this.shown = null;
    this.news = null;
    this.animal = null;
    this.corrected = null;
    this.presses = [];
    this.outlined = "";
  }

  get me() {
    return this.shown?.observers[this.shown.observer] ?? null;
  }

  get paused() {
    return this.me?.paused ?? false;
  }

  get behaviours() {
    return [...this.shown.session.classes, ...this.shown.session.also];
  }

  // The newest event that counts and may be undone; null where presses wait, whose events have no numbers yet.
  get undoable() {
    if (this.me === null || this.presses.length > 0) return null;
    const kept = new Set(["began", "reopened", "ended", "undo", "correct"]);
    return this.me.events.filter((each) => !each.undone && !kept.has(each.event)).at(-1) ?? null;
  }

  time(seconds) {
    const zone = this.shown?.session.zone;
    const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    try {
      return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }).format(seconds * 1000);
    } catch {
      return `${new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }).format(seconds * 1000)} UTC`;
    }
  }

  link(state, outbox) {
    const line = element("link");
    const waiting = outbox === null ? 0 : outbox.all().length;
    const text = state === "connected" ? "Connected" : "No connection";
    line.dataset.state = state;
    const all = waiting === 0 ? text : `${text}, ${waiting} waiting`;
    if (line.textContent !== all) line.textContent = all;
  }

  problem(text) {
    element("problem").textContent = text;
    element("problem").hidden = text === "";
  }

  refused(press, why) {
    const item = made("li", "");
    const what = press === undefined ? "A key" : describe(press);
    item.append(made("span", `${what} was not taken: ${why}`));
    const away = made("button", "Seen");
    away.type = "button";
    away.addEventListener("click", () => {
      item.remove();
      element("refused").hidden = element("refused").children.length === 0;
    });
    item.append(away);
    element("refused").append(item);
    element("refused").hidden = false;
  }

  choose(animal) {
    this.animal = animal;
    this.keys();
    this.tick();
    this.figures();
  }

  snapshot(message) {
    this.shown = message;
    const { session } = message;
    if (!session.animals.includes(this.animal)) this.animal = session.tagged ?? session.animals[0];
    element("name").textContent = `${session.name}: ${message.observer}`;
    document.title = `${session.name} – mcukd observe`;
    const kinds = [session.simulated && "SIMULATED animal", session.emulated && "EMULATED tag"].filter(Boolean);
    element("made").textContent = kinds.join(", ");
    element("made").hidden = kinds.length === 0;
    element("tag-line").hidden = message.tag === null;
    const mine = this.me.problem ?? message.tag?.problem ?? message.disk.problem;
    if (mine !== this.said) this.problem(mine ?? "");
    this.said = mine;
    this.keys();
    this.figures();
    this.events();
    this.tick();
  }

  tag(news) {
    this.news = news;
    this.tagLine();
  }

  // A press is on disk: shown at once, before the next snapshot says the same.
  taken(press) {
    if (press?.do !== "behaviour" || this.me === null || this.me.mode === "scan") return;
    const animal = this.me.animals[press.animal];
    if (animal === undefined) return;
    Object.assign(animal, { behaviour: press.behaviour, since: press.at_us / 1e6, out_of_sight: false });
    this.keys();
    this.tick();
  }

  waiting(outbox) {
    this.presses = outbox === null ? [] : outbox.all();
    this.link(element("link").dataset.state, outbox);
    this.keys();
    this.events();
  }

  // Keys are made once, so that none moves or loses its touch; then their states follow.
  keys() {
    if (this.shown === null) return;
    const { session } = this.shown;
    const outline = JSON.stringify([session.animals, this.behaviours]);
    if (outline !== this.outlined) {
      this.outlined = outline;
      const button = (name, text, values) => {
        const key = made("button", text, values);
        key.type = "button";
        return key;
      };
      element("animals").replaceChildren(...session.animals.map((each) => button("", each, { animal: each })));
      element("animals").hidden = session.animals.length < 2;
      element("keys").replaceChildren(...this.behaviours.map((each) => button("", each, { behaviour: each })));
      element("keys").classList.toggle("many", this.behaviours.length > 8);
      const keys = this.behaviours.map((each) => button("", each, { behaviour: each }));
      element("correct-keys").replaceChildren(...keys);
    }
    const waits = (test) => this.presses.some(test);
    for (const key of element("animals").children) {
      key.setAttribute("aria-pressed", String(key.dataset.animal === this.animal));
    }
    const state = this.me?.animals[this.animal];
    const watched = !this.paused && !this.me?.ended && !state?.out_of_sight;
    for (const key of element("keys").children) {
      const name = key.dataset.behaviour;
      key.setAttribute("aria-pressed", String(watched && state?.behaviour === name));
      key.classList.toggle(
        "waiting",
        waits((each) => each.do === "behaviour" && each.animal === this.animal && each.behaviour === name),
      );
      key.disabled = this.paused || this.me?.ended === true;
    }
    const out = element("out");
    out.setAttribute("aria-pressed", String(state?.out_of_sight === true));
    out.disabled = this.paused || this.me?.ended === true;
    out.classList.toggle("waiting", waits((each) => each.do === "out of sight" && each.animal === this.animal));
    element("pause").textContent = this.paused ? "Go on" : "Pause";
    element("pause").setAttribute("aria-pressed", String(this.paused));
    element("pause").classList.toggle("waiting", waits((each) => each.do === "pause" || each.do === "resume"));
    element("pause").disabled = this.me?.ended === true;
    element("undo").disabled = this.undoable === null || this.me?.ended === true;
    element("undo").classList.toggle("waiting", waits((each) => each.do === "undo"));
  }

  // The animal's newest scan; null without one, and where animals are watched all the time.
  lastScan() {
    if (this.me?.mode !== "scan") return null;
    const scans = this.me.events.filter((each) => each.event === "scan" && !each.undone);
    return scans.filter((each) => each.animal === this.animal).at(-1) ?? null;
  }

  // In scan sampling each animal has one key, and then the next one's turn comes.
  chooseNextToScan() {
    if (this.me?.mode !== "scan") return;
    const { animals } = this.shown.session;
    this.choose(animals[(animals.indexOf(this.animal) + 1) % animals.length]);
  }

  // What changes with time alone.
  tick() {
    if (this.shown === null) return;
    const now = this.clock.now() ?? this.shown.now;
    const me = this.me;
    const state = me?.animals[this.animal];
    const scanned = this.lastScan();
    let text = "no behaviour yet";
    if (me?.ended) text = "session ended; on the computer, --resume goes on with it";
    else if (me?.paused) text = "paused";
    else if (scanned) text = `${scanned.behaviour}, scanned ${lasting(now - scanned.time)} ago`;
    else if (state?.out_of_sight) text = `out of sight for ${lasting(now - state.since)}`;
    else if (state?.behaviour) text = `${state.behaviour} for ${lasting(now - state.since)}`;
    element("mine").textContent = text;
    this.tagLine();
    const scan = element("scan");
    scan.hidden = me?.mode !== "scan" || me.next_scan === null;
    if (!scan.hidden) {
      const left = Math.max(0, me.next_scan - now);
      const due = left > me.interval_s - 10 && left <= me.interval_s && me.interval_s > 12;
      scan.textContent = due ? "Scan now" : `Next scan in ${lasting(left)}`;
      scan.classList.toggle("due", due);
    }
    const rows = this.shown.ethograms[this.animal] ?? [];
    draw(element("ethogram"), rows, this.behaviours, this.shown.session.began, now);
  }

  tagLine() {
    const { tag, session } = this.shown ?? {};
    if (!tag) return;
    const line = element("tag");
    const now = this.clock.now() ?? this.shown.now;
    if (tag.state !== "connected") {
      const why = { waiting: "waiting for it", lost: "no connection", ended: "ended" }[tag.state];
      line.textContent = tag.reason ? `${why}: ${tag.reason}` : why;
      return;
    }
    if (session.blind) {
      line.textContent = "connected, not shown";
      return;
    }
    const newest = this.news !== null && this.news.time >= (tag.time ?? 0) ? this.news : tag;
    line.dataset.behaviour = newest.behaviour ?? "";
    if (newest.time === null) {
      line.textContent = "no result yet";
      return;
    }
    const ago = made("small", ` ${lasting(now - newest.time)} ago`);
    const on = session.tagged === this.animal ? "" : ` (on ${session.tagged})`;
    line.replaceChildren(`${newest.behaviour ?? "not known"}${on}`, ago);
  }

  figures() {
    const { minutes, agreement, between_observers: between, observer } = this.shown;
    const all = minutes[this.animal] ?? {};
    const mine = all[`observer ${observer}`] ?? {};
    const other = Object.entries(all).find(([source]) => !source.startsWith("observer "))?.[1];
    const found = agreement[observer];
    const letters = lettersOf(this.behaviours);
    const rows = this.behaviours.map((name, index) => {
      const row = made("tr", "");
      const head = made("th", "");
      head.scope = "row";
      const swatch = made("span", letters.get(name));
      swatch.className = "swatch";
      swatch.style.background = colourOf(index);
      swatch.style.color = inkOn(colourOf(index));
      head.append(swatch, name);
      const needed = found?.behaviours?.[name]?.still_needed;
      row.append(
        head,
        made("td", (mine[name] ?? 0).toFixed(1)),
        made("td", other === undefined ? "–" : (other[name] ?? 0).toFixed(1)),
        made("td", needed ?? "–"),
      );
      return row;
    });
    element("minutes").tBodies[0].replaceChildren(...rows);
    element("agreement").textContent = agreeing("You and the tag", found);
    const pairs = Object.entries(between ?? {}).map(([names, each]) => agreeing(names, each));
    element("others").textContent = pairs.filter((each) => each !== "").join(" ");
  }

  events() {
    if (this.me === null) return;
    const waiting = this.presses.map((press) => {
      const line = made("li", `Waiting: ${describe(press)}`);
      line.className = "waiting";
      return line;
    });
    const known = this.me.events.filter((each) => each.event !== "undo" && each.event !== "correct");
    const taken = known.slice(-12).map((each) => {
      const line = made("li", "");
      const text = made("span", `${this.time(each.time)} ${described(each)}`);
      text.className = each.undone ? "undone" : "";
      line.append(text);
      if (!each.undone && each.animal !== null) {
        const key = made("button", "Correct", { number: each.number });
        key.type = "button";
        key.setAttribute("aria-label", `Correct ${described(each)} of ${this.time(each.time)}`);
        line.append(key);
      }
      return line;
    });
    const lines = [...waiting.reverse(), ...taken.reverse()];
    const outline = lines.map((each) => each.textContent + each.firstElementChild?.className).join("\n");
    if (outline === this.listed) return;
    this.listed = outline;
    element("events").replaceChildren(...lines);
  }

  correcting(number) {
    this.corrected = this.me.events.find((each) => each.number === number) ?? null;
    if (this.corrected === null) return;
    const each = this.corrected;
    element("correct-what").textContent = `${this.time(each.time)} ${described(each)}`;
    element("correct-keys").hidden = each.behaviour === null;
    element("correct-box").showModal();
  }
}

function agreeing(who, found) {
  if (!found) return "";
  if (found.problem) return `${who}: ${found.problem}`;
  const kappa = found.kappa?.time?.value;
  const share = found.same_share;
  if (share === null || share === undefined) return `${who}: no time that both know yet.`;
  const chance = kappa === null || kappa === undefined ? "" : `, kappa over time ${kappa.toFixed(2)}`;
  return `${who} say the same in ${percent(share)} of ${found.both_know_min.toFixed(1)} min${chance}.`;
}

// A press that waits.
function describe(press) {
  const names = { behaviour: press.behaviour, note: "note", undo: "undo", correct: "correction", sample: press.mode };
  const what = names[press.do] ?? press.do;
  return press.animal ? `${press.animal} ${what}` : what;
}

// An event that is on disk.
function described(each) {
  const what = each.behaviour ?? (each.event === "note" ? `“${each.text}”` : each.event);
  return `${each.animal ? `${each.animal} ` : ""}${what}${each.corrected ? " (corrected)" : ""}`;
}
