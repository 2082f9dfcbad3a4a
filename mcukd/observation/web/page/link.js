// Link: the connection to the computer. It is made again whenever it is gone; presses are sent one by one.

const PING_MS = 3000;
const SILENCE_MS = 7000;
const AGAIN_MS = [300, 1000, 2000, 4000];
const UNWRITTEN_MS = 3000;

// Return "" where the code let this browser in, else why not.
export async function enterWith(code) {
  try {
    const answer = await fetch("/enter", { method: "POST", body: JSON.stringify({ code }) });
    return answer.ok ? "" : (await answer.json()).why;
  } catch {
    return "The computer does not answer. Is the phone in its network?";
  }
}

export class Link {
  // on: functions `state(text)`, `message(message)`, `refused(press, why)`, `unwritten(why)`, `outbox()`.
  constructor(clock, on) {
    this.clock = clock;
    this.on = on;
    this.outbox = null;
    this.socket = null;
    this.tries = 0;
    this.pings = new Map();
    this.heardAt = 0;
    this.pingedAt = 0;
    this.sending = null;
    this.timer = null;
    setInterval(() => this.watch(), 1000);
    for (const name of ["visibilitychange", "pageshow", "online"]) {
      addEventListener(name, () => document.visibilityState === "visible" && this.wake());
    }
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.wake());
    addEventListener("offline", () => this.drop());
  }

  get open() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    if (this.socket !== null) return;
    const socket = new WebSocket(`ws://${location.host}/live`);
    this.socket = socket;
    this.heardAt = performance.now();
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      this.clock.forget();
      for (let k = 0; k < 5; k += 1) setTimeout(() => this.ping(), 60 * k);
    });
    socket.addEventListener("message", (event) => this.hear(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      if (this.socket !== socket) return;
      this.gone();
      if (!opened) this.askForCode();
    });
  }

  gone() {
    this.socket = null;
    this.sending = null;
    this.pings.clear();
    this.on.state("lost");
    const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)];
    this.tries += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), wait);
  }

  // A socket of a device that slept may take minutes to notice that it is dead.
  drop() {
    const socket = this.socket;
    if (socket === null) return;
    this.gone();
    socket.close();
  }

  // The computer may know this browser no more: then it gives the page that asks for a code.
  async askForCode() {
    try {
      const answer = await fetch("/");
      if (answer.ok && (await answer.text()).includes('id="enter"')) location.replace("/");
    } catch {
      // It does not answer; the next try will tell.
    }
  }

  wake() {
    if (this.socket === null) {
      this.tries = 0;
      this.connect();
    } else if (this.open) {
      this.heardAt = Math.min(this.heardAt, performance.now());
      this.ping();
    }
  }

  watch() {
    if (!this.open) {
      if (this.socket !== null && performance.now() - this.heardAt > SILENCE_MS) this.drop();
      return;
    }
    const now = performance.now();
    if (now - this.heardAt > SILENCE_MS) this.drop();
    // News comes without pings, but the session's time does not.
    else if (this.clock.best === null || now - this.pingedAt > PING_MS) this.ping();
  }

  ping() {
    if (!this.open) return;
    const ping = this.clock.ping();
    this.pingedAt = ping.ran;
    this.pings.set(ping.ran, ping);
    this.socket.send(JSON.stringify({ type: "ping", sent: ping.ran }));
  }

  hear(message) {
    this.heardAt = performance.now();
    if (message.type === "pong") {
      const ping = this.pings.get(message.sent);
      this.pings.delete(message.sent);
      if (ping !== undefined) this.clock.heard(ping, message.now_us, message.speed);
      this.tries = 0;
      this.on.state("connected");
      this.flush();
    } else if (message.type === "taken" || message.type === "refused") {
      const press = this.outbox.all().find((each) => each.id === message.id);
      this.outbox.remove(message.id);
      this.sending = null;
      this.on.unwritten("");
      if (message.type === "refused") this.on.refused(press, message.why);
      else this.on.message({ ...message, press });
      this.on.outbox();
      this.flush();
    } else if (message.type === "waits") {
      this.on.unwritten(message.why);
      setTimeout(() => {
        this.sending = null;
        this.flush();
      }, UNWRITTEN_MS);
    } else {
      this.on.message(message);
      this.flush();
    }
  }

  // One at a time and in order: the next one is sent when this one is on the computer's disk.
  flush() {
    if (!this.open || this.outbox === null || this.sending !== null) return;
    const press = this.outbox.first();
    if (press === null) return;
    if (press.at_us === null) {
      // Touched while the session's time was not known here.
      press.at_us = this.clock.at(press.wall);
      if (press.at_us === null) {
        this.ping(); // what answers it sends the press
        return;
      }
      this.outbox.put(press);
    }
    const { wall, turn, ...message } = press;
    this.sending = press.id;
    this.socket.send(JSON.stringify({ type: "press", ...message }));
  }
}
