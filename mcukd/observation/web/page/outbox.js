// Outbox: presses that the computer has not yet said to have on disk. They outlive a reload and a closed page.

export class Outbox {
  // name: of the session and the observer, so that no other one's presses are sent.
  constructor(name, storage) {
    this.prefix = `mcukd:${name}:`;
    this.storage = storage;
    this.memory = new Map();
    this.kept = true;
    this.next = this.all().reduce((most, each) => Math.max(most, each.turn + 1), 0);
  }

  // Each press has an item of its own: two pages of one browser do not overwrite each other's.
  all() {
    const found = new Map(this.memory);
    try {
      for (let k = 0; k < this.storage.length; k += 1) {
        const key = this.storage.key(k);
        if (key.startsWith(this.prefix)) {
          const press = JSON.parse(this.storage.getItem(key));
          found.set(press.id, press);
        }
      }
    } catch {
      this.kept = false;
    }
    return [...found.values()].sort((one, other) => one.turn - other.turn || (one.id < other.id ? -1 : 1));
  }

  first() {
    return this.all()[0] ?? null;
  }

  add(press) {
    const drawn = crypto.getRandomValues(new Uint32Array(4));
    const id = [...drawn].map((each) => each.toString(16).padStart(8, "0")).join("");
    const entry = { ...press, id, turn: this.next };
    this.next += 1;
    this.put(entry);
    return entry;
  }

  put(entry) {
    try {
      this.storage.setItem(this.prefix + entry.id, JSON.stringify(entry));
      this.memory.delete(entry.id);
    } catch {
      this.memory.set(entry.id, entry);
      this.kept = false;
    }
  }

  remove(id) {
    this.memory.delete(id);
    try {
      this.storage.removeItem(this.prefix + id);
    } catch {
      this.kept = false;
    }
  }
}

// Where the browser gives none, presses are kept while the page is open.
export function storageOrNone() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
