/**
 * The reader of the chaos test: stores the ids of the events, and then its state with the size of the file of ids. After
 * a SIGKILL, it cuts off the ids that came after the stored state, so that it has each event exactly once.
 *
 *   reader.ts URL IDS STATE WAIT_MS
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type Fleet, openFleet } from '../../../src/fleet/open-fleet.ts';
import type { FleetState } from '../../../src/fleet/options.ts';

export interface Stored {
  /** Size of the file of ids. */
  bytes: number;
  /** Events that the reader reported as missing. */
  gaps: number;
  state: FleetState;
}

const [url = '', file = '', stateFile = '', waitMs = ''] = process.argv.slice(2);
const stored: Stored | undefined = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : undefined;
let { bytes, gaps } = stored ?? { bytes: 0, gaps: 0 };
const descriptor = openSync(file, 'a');
truncateSync(file, bytes);
const options = stored ? { resume: stored.state } : { sinceMs: 3_600_000 };
const fleet = await opened();

/** The server may be away just now. */
async function opened(): Promise<Fleet> {
  for (;;) {
    try {
      return await openFleet({ servers: url.split(','), waitMs: Number(waitMs), ...options });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

let ids = '';
fleet.events$.subscribe(({ event }) => {
  ids += `${event.id}\n`;
});
fleet.nodes$.subscribe(({ missing }) => {
  gaps += missing ?? 0;
});

function commit(): void {
  if (ids === '') return;
  bytes += writeSync(descriptor, ids);
  ids = '';
  writeFileSync(`${stateFile}.new`, JSON.stringify({ bytes, gaps, state: fleet.state() } satisfies Stored));
  renameSync(`${stateFile}.new`, stateFile);
}
const timer = setInterval(commit, 100);
process.once('SIGTERM', () => {
  clearInterval(timer);
  commit();
  closeSync(descriptor);
  process.stdout.write(`${JSON.stringify(fleet.counts)}\n`, () => process.exit(0));
});
