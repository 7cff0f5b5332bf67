/** Opens the page of a fleet: the same page as that of one machine, with the events of all nodes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fleetReport } from '../fleet/fleet-report.ts';
import type { Fleet } from '../fleet/open-fleet.ts';
import { byDanger } from '../fleet/report.ts';
import { Totals } from '../fleet/totals.ts';
import { HistoryReader } from '../history/reader.ts';
import { HistoryRecorder } from '../history/recorder.ts';
import type { Listener } from '../http/listener.ts';
import { VERSION } from '../version.ts';
import { Recent } from './recent.ts';
import { WebServer } from './server.ts';
import type { FleetNow } from './wire.ts';

export interface FleetWebOptions {
  listener: Listener;
  /** The page, as the build made it. */
  page: string;
  /** A fleet that is not read yet. It stays open when the page is closed. */
  fleet: Fleet;
  /** The name of the fleet on the page: the address of the server. */
  name: string;
  /** How far back the fleet is read (ms). */
  sinceMs: number;
  tell: (note: string) => void;
}

const SEND_MS = 1000;
const MOST_NODES = 200;
const FEW = 100;
/** The events are kept in a file of this process alone, so that the lists and stories work as those of one machine. */
const LIMITS = { maxAgeMs: 366 * 86_400_000, maxBytes: 2 ** 30 };

export class FleetWeb implements AsyncDisposable {
  readonly #options: FleetWebOptions;
  readonly #directory = mkdtempSync(join(tmpdir(), 'oomscope-fleet-'));
  readonly #totals = new Totals();
  readonly #recorder: HistoryRecorder;
  readonly #reader: HistoryReader;
  readonly #server: WebServer;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FleetWebOptions) {
    this.#options = options;
    const path = join(this.#directory, 'history.db');
    this.#recorder = new HistoryRecorder({ path, ...LIMITS, tell: options.tell, onLost: () => {} });
    this.#reader = new HistoryReader(path);
    this.#server = new WebServer({
      ...{ page: options.page, reader: this.#reader, recent: new Recent(FEW) },
      live: { past: [], listen: () => () => {}, whole: () => this.#now() },
      about: () => ({ node: options.name, version: VERSION, live: true, guard: null, fleet: true }),
    });
    this.#server.addTo(options.listener);
  }

  /** Begins to read the fleet. @param onError called when the fleet cannot be read any more */
  async start(onError: (error: unknown) => void): Promise<void> {
    const { fleet } = this.#options;
    // A browser may ask at once.
    await this.#recorder.opened;
    let isCaughtUp = false;
    fleet.events$.subscribe({
      next: (fleetEvent) => {
        this.#totals.take(fleetEvent);
        this.#recorder.take(fleetEvent.event);
        if (isCaughtUp) this.#server.take(fleetEvent.event);
      },
      error: onError,
    });
    void fleet.caughtUp.then(() => {
      isCaughtUp = true;
    });
    this.#timer = setInterval(() => {
      if (this.#server.clients > 0) this.#server.sendNow(this.#now());
    }, SEND_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reader.close();
    await this.#recorder.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #now(): FleetNow {
    const report = fleetReport(this.#options.fleet, this.#totals, this.#options.sinceMs);
    const { nodes } = report;
    return {
      report: { ...report, nodes: byDanger(nodes).slice(0, MOST_NODES) },
      nodes: nodes.length,
      silent: nodes.filter(({ state }) => state === 'silent').length,
    };
  }
}
