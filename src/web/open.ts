/** Opens the page: in the daemon, and in `oomscope web`. */
import { hostname } from 'node:os';
import { HistoryReader } from '../history/reader.ts';
import type { Listener } from '../http/listener.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';
import { VERSION } from '../version.ts';
import { Live } from './live.ts';
import { NextVictims } from './next.ts';
import { Recent } from './recent.ts';
import { WebServer } from './server.ts';
import type { ListRow } from './wire.ts';

export interface WebOptions {
  listener: Listener;
  /** The page, as the build made it. */
  page: string;
  /** The file of the history. undefined: none is kept. */
  historyPath: string | undefined;
  /** Whether `take()` is called with the events of a tracer. Otherwise new events are read from the history. */
  live: boolean;
  /** The mode of the guard. null: none runs. */
  guard: string | null;
  ownerOf?: (path: string) => CgroupOwner;
}

/** How often new events are read from the history while a browser is connected (ms). */
const FOLLOW_MS = 1000;
/** With a history, the memory only has to bridge a short absence of a browser. */
const FEW = 100;

export class Web implements AsyncDisposable {
  readonly #server: WebServer;
  readonly #live: Live;
  readonly #next = new NextVictims();
  readonly #reader: HistoryReader | undefined;
  readonly #follows: boolean;
  #timer: NodeJS.Timeout | undefined;
  #last: string | undefined;
  #isAsking = false;

  constructor({ listener, page, historyPath, live, guard, ownerOf }: WebOptions) {
    this.#reader = historyPath === undefined ? undefined : new HistoryReader(historyPath);
    this.#follows = !live && historyPath !== undefined;
    this.#live = new Live({
      send: (now) => this.#server.sendNow(now),
      next: () => this.#next.read(),
      ...(ownerOf && { ownerOf }),
    });
    this.#server = new WebServer({
      ...{ page, live: this.#live, reader: this.#reader, recent: new Recent(this.#reader ? FEW : undefined) },
      about: () => ({ node: hostname(), version: VERSION, live, guard, fleet: false }),
    });
    this.#server.addTo(listener);
  }

  start(): void {
    this.#live.start();
    if (!this.#follows) return;
    this.#timer = setInterval(() => void this.#follow(), FOLLOW_MS).unref();
  }

  take(event: Event): void {
    this.#server.take(event);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#live[Symbol.dispose]();
    this.#next[Symbol.dispose]();
    await this.#reader?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Sends what a daemon has added to the history. */
  async #follow(): Promise<void> {
    if (this.#isAsking || !this.#reader) return;
    if (this.#server.clients === 0) {
      this.#last = undefined;
      return;
    }
    this.#isAsking = true;
    try {
      if (this.#last === undefined) this.#last = JSON.parse(await this.#reader.ask({ ask: 'newest' })) ?? undefined;
      else {
        const rows = (JSON.parse(await this.#reader.ask({ ask: 'after', id: this.#last, limit: 200 })) ??
          []) as ListRow[];
        for (const row of rows) this.#server.sendRow(row);
        this.#last = rows.at(-1)?.id ?? this.#last;
      }
    } catch {
      this.#last = undefined; // the list says why the history cannot be read
    } finally {
      this.#isAsking = false;
    }
  }
}
