/**
 * The reader of the chaos test: stores the ids of the events together with its state, in one write, so that it gets each
 * event exactly once although it is killed at any time.
 *
 *   reader.ts URL FILE
 */
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { type Fleet, type FleetState, openFleet } from '../../../src/fleet/open-fleet.ts';

const [url = '', file = ''] = process.argv.slice(2);

/** The state after the last complete write; what follows it is cut off. */
function resumed(): FleetState | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  const at = text.lastIndexOf('\nS');
  const end = at < 0 ? -1 : text.indexOf('\n', at + 1);
  if (end < 0) {
    const before = text.lastIndexOf('\nS', at - 1);
    const start = before < 0 ? 0 : text.indexOf('\n', before + 1) + 1;
    truncateSync(file, start);
    return before < 0 ? undefined : JSON.parse(text.slice(before + 2, start));
  }
  truncateSync(file, end + 1);
  return JSON.parse(text.slice(at + 2, end));
}

const resume = resumed();
const descriptor = openSync(file, 'a');
const options = resume ? { resume } : { sinceMs: 3_600_000 };
const fleet = await opened();

/** The server may be away just now. */
async function opened(): Promise<Fleet> {
  for (;;) {
    try {
      return await openFleet({ servers: url.split(','), waitMs: 2000, ...options });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

let ids: string[] = [];
fleet.events$.subscribe(({ event }) => ids.push(event.id));

function commit(): void {
  if (ids.length === 0) return;
  writeSync(descriptor, `${ids.map((id) => `E${id}\n`).join('')}S${JSON.stringify(fleet.state())}\n`);
  ids = [];
}
const timer = setInterval(commit, 50);
process.once('SIGTERM', () => {
  clearInterval(timer);
  commit();
  closeSync(descriptor);
  process.stdout.write(`${JSON.stringify(fleet.counts)}\n`, () => process.exit(0));
});
