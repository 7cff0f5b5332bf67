/**
 * A queue on disk: one file an alert, named by its number, written before and unlinked after it was delivered. So what the
 * other side did not take is there for the next process, in order.
 *
 * Nothing waits for the disk: an alert that is not written yet, or cannot be, is delivered from memory.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfPresent } from '../linux/capabilities.ts';
import { startTicksOf } from '../linux/process-reader.ts';
import type { Alert } from '../model/alert.ts';
import { OomscopeError } from '../model/error.ts';
import type { AlertQueue, Waiting } from './alert-queue.ts';

interface Entry {
  number: number;
  bytes: number;
  /** Until it is written. */
  alert: Alert | undefined;
}

export interface SpoolOptions {
  /** Its own: no other sink, no other process. Made if it is missing (its parent must be there). */
  directory: string;
  /** Default 10,000 alerts and 64 MiB. */
  most?: number;
  mostBytes?: number;
  /** A file could not be written or read. */
  onTrouble?: (message: string) => void;
}

export class Spool implements AlertQueue {
  readonly lasting = true;
  readonly #directory: string;
  readonly #most: number;
  readonly #mostBytes: number;
  readonly #onTrouble: (message: string) => void;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #next = 1;
  #held = -1;
  #work: Promise<void> = Promise.resolve();

  /** @throws OomscopeError USAGE: the directory is not one, or another process uses it */
  constructor({ directory, most = 10_000, mostBytes = 64 * 1024 ** 2, onTrouble = () => {} }: SpoolOptions) {
    this.#directory = directory;
    this.#most = most;
    this.#mostBytes = mostBytes;
    this.#onTrouble = onTrouble;
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new OomscopeError('USAGE', `spool: cannot make ${directory}: ${(error as Error).message}.`, {
          cause: error,
        });
      }
    }
    claim(directory);
    for (const name of readdirSync(directory).sort()) {
      const [, digits] = /^(\d{12})\.json$/.exec(name) ?? [];
      if (name.endsWith('.json.new')) rmSync(join(directory, name)); // of a process that died while it wrote
      if (digits === undefined) continue;
      const { size } = statSync(join(directory, name));
      this.#entries.push({ number: Number(digits), bytes: size, alert: undefined });
      this.#bytes += size;
      this.#next = Number(digits) + 1;
    }
  }

  get length(): number {
    return this.#entries.length;
  }

  push(alert: Alert): number {
    const text = JSON.stringify(alert);
    const entry: Entry = { number: this.#next++, bytes: Buffer.byteLength(text), alert };
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.#then(() => this.#write(entry, text));
    let dropped = 0;
    for (; this.#entries.length > this.#most || this.#bytes > this.#mostBytes; dropped++) {
      const oldest = this.#entries.find(({ number }) => number !== this.#held);
      if (!oldest || oldest === entry) break;
      this.remove(oldest.number);
    }
    return dropped;
  }

  async head(): Promise<Waiting | undefined> {
    for (let entry = this.#entries[0]; entry; entry = this.#entries[0]) {
      this.#held = entry.number;
      try {
        const alert = entry.alert ?? (JSON.parse(await readFile(this.#path(entry.number), 'utf8')) as Alert);
        return { number: entry.number, alert };
      } catch (error) {
        // Cut short by a power failure, or taken away by somebody.
        this.#onTrouble(
          `spool: ${this.#path(entry.number)} is not an alert and is removed: ${(error as Error).message}`,
        );
        this.remove(entry.number);
      }
    }
    this.#held = -1;
    return undefined;
  }

  remove(number: number): void {
    const at = this.#entries.findIndex((entry) => entry.number === number);
    const [entry] = at < 0 ? [] : this.#entries.splice(at, 1);
    if (!entry) return;
    this.#bytes -= entry.bytes;
    this.#then(() => unlink(this.#path(number)).catch(() => {})); // it may never have been written
  }

  async close(): Promise<void> {
    await this.#work;
    rmSync(join(this.#directory, 'lock'), { force: true });
  }

  /** One after another, so that a file is written before it is unlinked. */
  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(step);
  }

  async #write(entry: Entry, text: string): Promise<void> {
    if (!this.#entries.includes(entry)) return;
    const path = this.#path(entry.number);
    try {
      await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
      entry.alert = undefined;
    } catch (error) {
      this.#onTrouble(`spool: an alert is held in memory only: ${(error as Error).message}`);
    }
  }

  #path(number: number): string {
    return join(this.#directory, `${String(number).padStart(12, '0')}.json`);
  }
}

/** Two processes that share a spool would send everything twice. A lock whose process is gone does not count. */
function claim(directory: string): void {
  const lock = join(directory, 'lock');
  const mine = `${process.pid} ${startTicksOf(process.pid)}`;
  for (;;) {
    try {
      writeFileSync(lock, mine, { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        const message = `spool: ${directory} cannot be written: ${(error as Error).message}.`;
        throw new OomscopeError('USAGE', message, { cause: error });
      }
    }
    const [pid = '', ticks = ''] = (readIfPresent(lock) ?? '').split(' ');
    if (ticks !== '' && startTicksOf(Number(pid)) === Number(ticks)) {
      const whose = Number(pid) === process.pid ? 'another sink of this command' : `the process ${pid}`;
      throw new OomscopeError('USAGE', `spool: ${directory} is used by ${whose}; give every sink its own directory.`);
    }
    rmSync(lock, { force: true });
  }
}
