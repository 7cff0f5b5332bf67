/**
 * Loaded into the daemon by --import: counts the active timers of setTimeout() and setInterval(), and writes the count into $OOMSCOPE_SOAK_TIMERS once a
 * second. Node itself lists only the timers that keep the process alive.
 */
import { writeFileSync } from 'node:fs';

type Callback = (...args: unknown[]) => void;

const file = process.env.OOMSCOPE_SOAK_TIMERS;
const plain = { setTimeout, setInterval, clearTimeout, clearInterval };
const running = new WeakSet<object>();
let active = 0;

function begins<T extends object>(timer: T): T {
  running.add(timer);
  active++;
  return timer;
}

function ends(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && running.delete(timer)) active--;
}

globalThis.setTimeout = Object.assign((callback: Callback, ms?: number, ...args: unknown[]) => {
  const timer: NodeJS.Timeout = plain.setTimeout(() => {
    ends(timer);
    callback(...args);
  }, ms);
  return begins(timer);
}, plain.setTimeout) as typeof setTimeout;
globalThis.setInterval = ((callback: Callback, ms?: number, ...args: unknown[]) =>
  begins(plain.setInterval(callback, ms, ...args))) as typeof setInterval;
globalThis.clearTimeout = ((timer) => {
  ends(timer);
  plain.clearTimeout(timer);
}) as typeof clearTimeout;
globalThis.clearInterval = globalThis.clearTimeout;

if (file !== undefined) plain.setInterval(() => writeFileSync(file, String(active)), 1000).unref();
