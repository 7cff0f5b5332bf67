/** Events of container runtimes that are not used, because they are malformed, false or too many. */
import type { OtherUser } from './other-user.ts';

/** More events than this from another user's runtime within RATE_MS end the connection. */
const MOST_EVENTS = 1000;
const RATE_MS = 10_000;
const REPORT_MS = 1000;

/** Limits the events of another user's runtime; root's runtimes have no limit. */
export class EventRate {
  isOver = false;
  readonly #isLimited: boolean;
  #since = performance.now();
  #events = 0;

  constructor(user: OtherUser) {
    this.#isLimited = user !== null;
  }

  /** Counts an event. @throws Error if there are too many */
  count(): void {
    if (!this.#isLimited) return;
    const now = performance.now();
    if (now - this.#since > RATE_MS) {
      this.#since = now;
      this.#events = 0;
    }
    if (++this.#events <= MOST_EVENTS) return;
    this.isOver = true;
    throw new Error(`more than ${MOST_EVENTS} events in ${RATE_MS / 1000} seconds`);
  }
}

/** Counts lost events, and reports them at most once a second. */
export class LostEvents {
  readonly #report: (count: number) => void;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(report: (count: number) => void) {
    this.#report = report;
  }

  add(): void {
    this.#count++;
    this.#timer ??= setTimeout(() => this.#flush(), REPORT_MS).unref();
  }

  /** Reports what was not reported yet. */
  close(): void {
    clearTimeout(this.#timer);
    this.#flush();
  }

  #flush(): void {
    this.#timer = undefined;
    const count = this.#count;
    this.#count = 0;
    if (count > 0) this.#report(count);
  }
}
