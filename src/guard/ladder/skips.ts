import type { Decision } from '../rules/decide.ts';
import { placeOf } from '../rules/decide.ts';
import type { Announcer } from './announce.ts';

/**
 * If a rule is skipped for the same reason again, that is announced again after this time (ms), with the number of
 * times.
 */
const REPEAT_MS = 10_000;
/** A reason that has not occurred for this long is forgotten (ms). */
const FORGET_MS = 10 * REPEAT_MS;

/** Announces why a rule fired but the guard did nothing: immediately, and then at intervals while the reason lasts. */
export class Skips {
  readonly #announce: Announcer;
  readonly #known = new Map<string, { announcedMs: number; times: number }>();

  constructor(announce: Announcer) {
    this.#announce = announce;
  }

  take({ fired, reason, detail, ranking }: Extract<Decision, { kind: 'skip' }>, nowMs: number): void {
    // In a dry run, a rule cools down after each plan, and that plan was already announced.
    if (reason === 'cool_down' && this.#announce.mode !== 'enforce') return;
    const key = `${fired.rule.name}\0${placeOf(fired)}\0${reason}`;
    const known = this.#known.get(key) ?? { announcedMs: Number.NEGATIVE_INFINITY, times: 0 };
    for (const [other, { announcedMs }] of this.#known) if (nowMs - announcedMs > FORGET_MS) this.#known.delete(other);
    known.times++;
    this.#known.set(key, known);
    if (nowMs - known.announcedMs < REPEAT_MS) return;
    this.#announce.skipped(fired, reason, detail, { times: known.times, ranking });
    Object.assign(known, { announcedMs: nowMs, times: 0 });
  }
}
