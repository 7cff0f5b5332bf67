/**
 * Records the events that `oomscope/testing` exports. They come from real kills and real pressure; each scene has one
 * file.
 *
 *   npm run lab -- --kernel 6.12 --out DIR -- node scripts/record-events.ts /out
 *
 * The script runs in a guest, so that the events contain no data of a real machine. The files go to
 * src/testing/recordings/.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Event, openTracer } from '../dist/index.js';
import { createMemoryGroup, type MemoryGroup, removeMemoryGroups } from '../src/demo/memory-group.ts';

const MIB = 2 ** 20;
const HOG = join(import.meta.dirname, '../build/hog');
/** Invented cgroup names, in the form that Docker's systemd driver uses. */
const containerId = (digit: string) => digit.repeat(64);

const [output] = process.argv.slice(2);
if (output === undefined) throw new Error('usage: record-events.ts DIRECTORY');
const directory = output;

function hog(group: MemoryGroup, ...args: string[]): ChildProcess {
  return spawn(HOG, ['--cgroup', group.path, '--adj', '0', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
}

/** Starts recording, runs `act`, records for two more seconds, and keeps the events about the cgroup. */
async function scene(name: string, path: string, act: () => Promise<void>): Promise<void> {
  const events: Event[] = [];
  using tracer = await openTracer({
    leadUp: true,
    report: true,
    candidates: 'always',
    pressure: { cgroups: [path], stallMs: 100 },
  });
  tracer.events$.subscribe((event) => events.push(event));
  await act();
  await sleep(2500);
  tracer.close();
  removeMemoryGroups();
  const kept = events.filter((event) => !('subject' in event) || event.subject.path === path);
  const lines = [tracer.started, ...kept.filter(({ type }) => type !== 'tracer.started')].map((event) =>
    JSON.stringify(event),
  );
  writeFileSync(join(directory, `${name}.json`), `[${lines.join(',\n')}]\n`);
  process.stdout.write(`${name}: ${kept.map(({ type }) => type).join(' ')}\n`);
}

const limited = createMemoryGroup({ limitBytes: 64 * MIB, name: `docker-${containerId('a')}.scope` });
await scene('container-kill', limited.cgroupPath, async () => {
  const neighbour = hog(limited, '--hold', String(8 * MIB), '--comm', 'sidecar');
  await once(neighbour.stdout as NodeJS.ReadableStream, 'data');
  await once(hog(limited, '--rate', String(16 * MIB), '--comm', 'web-server'), 'exit');
  await sleep(500);
  neighbour.kill();
});

const grouped = createMemoryGroup({ limitBytes: 64 * MIB, name: `docker-${containerId('b')}.scope` });
writeFileSync(join(grouped.path, 'memory.oom.group'), '1');
await scene('group-kill', grouped.cgroupPath, async () => {
  const worker = hog(grouped, '--hold', String(8 * MIB), '--comm', 'worker');
  await once(worker.stdout as NodeJS.ReadableStream, 'data');
  await once(hog(grouped, '--comm', 'supervisor'), 'exit');
});

const throttled = createMemoryGroup({ limitBytes: 64 * MIB, name: `docker-${containerId('c')}.scope` });
writeFileSync(join(throttled.path, 'memory.high'), String(24 * MIB));
await scene('pressure-episode', throttled.cgroupPath, async () => {
  // Above memory.high the kernel makes the process wait longer and longer.
  const cache = hog(throttled, '--hold', String(48 * MIB), '--comm', 'cache');
  await sleep(6000);
  cache.kill();
});
process.exit(0);
