import type { GuardPart } from '../../model/guard.ts';
import type { Announcer } from './announce.ts';

/** Announces once when a part of the guard begins to fail, and once when that part works again. */
export class Health {
  readonly #announce: Announcer;
  readonly #failing = new Map<GuardPart, { error: string; failures: number }>();

  constructor(announce: Announcer) {
    this.#announce = announce;
  }

  /** @returns how many times in a row the part has failed */
  failed(part: GuardPart, error: unknown): number {
    const message = error instanceof Error ? error.message : String(error);
    const failures = (this.#failing.get(part)?.failures ?? 0) + 1;
    this.#failing.set(part, { error: message, failures });
    if (failures === 1) this.#announce.status(part, 'failing', message, failures);
    return failures;
  }

  works(part: GuardPart): void {
    const known = this.#failing.get(part);
    if (!known) return;
    this.#failing.delete(part);
    this.#announce.status(part, 'working', known.error, known.failures);
  }
}
