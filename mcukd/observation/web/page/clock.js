// Clock: the session's time as this browser can tell it, from pings over the connection.
//
// Two clocks of the browser serve: the wall clock goes on while the device sleeps, the other one is never set.
// Where they move against each other, the device slept or was set, and the session's time is measured anew.

const MOVED_MS = 200;
// A ping's worth falls as clocks drift apart: 100 parts in a million.
const DRIFT = 1e-4;

export class SessionClock {
  constructor() {
    this.best = null;
    this.apart = null;
    this.generation = 0;
  }

  forget() {
    this.best = null;
    this.generation += 1;
  }

  // Look whether the browser's clocks moved against each other.
  check() {
    const apart = Date.now() - performance.now();
    if (this.apart !== null && Math.abs(apart - this.apart) > MOVED_MS) this.forget();
    this.apart = apart;
  }

  // Return what is to be kept of a ping until it is answered.
  ping() {
    this.check();
    return { wall: Date.now(), ran: performance.now(), generation: this.generation };
  }

  heard(ping, nowUs, speed) {
    this.check();
    if (ping.generation !== this.generation) return;
    const ran = performance.now();
    const turnaround = ran - ping.ran;
    const age = this.best === null ? 0 : ran - this.best.ran;
    if (this.best !== null && turnaround / 2 > this.best.turnaround / 2 + age * DRIFT) return;
    this.best = { us: nowUs, wall: ping.wall + turnaround / 2, ran, turnaround, speed };
  }

  // The wall clock when an event happened, which may be a little ago where the browser was busy.
  static wallOf(event) {
    const ago = performance.now() - event.timeStamp;
    return Date.now() - (ago > 0 && ago < 10000 ? ago : 0);
  }

  // Microseconds since 1970 by the session's clock at a time of the wall clock; null while they are not known.
  at(wall) {
    if (this.best === null) return null;
    return Math.round(this.best.us + (wall - this.best.wall) * 1000 * this.best.speed);
  }

  // Seconds since 1970 by the session's clock now; null while they are not known.
  now() {
    const us = this.at(Date.now());
    return us === null ? null : us / 1e6;
  }
}
