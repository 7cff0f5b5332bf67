/**
 * Soaks the daemon: kills in short-lived containers, memory pressure, reloads, receivers of alerts that stop answering.
 * At the end it prints what the daemon holds, what the kernel counted and what the daemon delivered, and fails if the
 * daemon has grown or a kill is missing.
 *
 *   npm run soak -- [--hours 1] [--write]
 *
 * Needs root. All kills happen in memory cgroups that it makes. --write puts the result into docs/proofs/soak.md.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { circumstances, table } from '../bench/report.ts';
import { Daemon, type Sample, type SoakedEvent } from './daemon.ts';
import { type Done, pressure, Receiver, Runtime, storm } from './load.ts';

const { values } = parseArgs({
  options: { hours: { type: 'string', default: '1' }, write: { type: 'boolean', default: false } },
});
const seconds = Number(values.hours) * 3600;
if (!(seconds >= 60)) throw new Error(`--hours: expected at least 0.02, got ${values.hours}`);

/** The start does not count as growth: caches fill, and the code is compiled. */
const settleSeconds = Math.min(600, seconds / 3);
const SAMPLE_SECONDS = 5;
const RELOAD_SECONDS = 15;
const STATE_SECONDS = 20;
const MOST_GROWTH_KIB = 5 * 1024;
/** Connections to receivers, and timers of alerts that wait, come and go. A leak at each reload would be more. */
const MOST_MORE: Record<string, number> = { timers: 5, descriptors: 3 };
const PORT = 20_000 + (process.pid % 20_000);

// The exit hooks remove the cgroups and end the daemon.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const where = circumstances();
const directory = mkdtempSync(join(tmpdir(), 'oomscope-soak-'));
const receiver = new Receiver(PORT);
const runtime = new Runtime();
const top = createMemoryGroup({ limitBytes: 256 * 2 ** 20, name: `oomscope-soak-${process.pid}` });
const done: Done = { kills: 0, containers: 0, pressureSeconds: 0 };
const heard = { kills: 0, named: 0, events: 0, lostKills: 0, lostEvents: 0, stopped: 0 };
const samples: Sample[] = [];
let reloads = 0;

function configure(round: number): void {
  const text = `
[trace]
ring = "512K"
[pressure]
cgroups = ["/**/oomscope-soak-pressure-*", "/oomscope-soak-pressure-*"]
[[alert]]
sink = "webhook"
target = "http://127.0.0.1:${PORT}/alert"
timeout = "2s"
spool = "${directory}/spool"
[[alert]]
sink = "file"
target = "${directory}/alerts-${round % 2}.jsonl"
[guard]
mode = "dry_run"
state_file = "${directory}/state"
[[guard.rule]]
name = "never ${round % 2}"
when = ["available <= 1 %"]
`;
  writeFileSync(join(directory, 'oomscope.toml'), text, { mode: 0o600 });
}

function hear(event: SoakedEvent): void {
  heard.events++;
  if (event.type === 'tracer.stopped') heard.stopped++;
  if (event.type === 'tracer.lost') {
    for (const [name, count] of Object.entries(event.lost ?? {})) {
      if (name === 'oom_kill' || name === 'oom.kill') heard.lostKills += count;
      else heard.lostEvents += count;
    }
  }
  if (event.type !== 'oom.kill' || !event.victim?.cgroup?.startsWith(`${top.cgroupPath}/`)) return;
  if (event.kind === 'killed' || event.kind === 'already_dying') heard.kills++;
  if (event.victim.container?.name?.startsWith('soak-')) heard.named++;
}

async function every(intervalSeconds: number, signal: AbortSignal, act: (round: number) => unknown): Promise<void> {
  for (let round = 1; !signal.aborted; round++) {
    await sleep(intervalSeconds * 1000, undefined, { signal }).catch(() => {});
    if (!signal.aborted) await act(round);
  }
}

const STATES = ['gone', 'up', 'failing', 'up', 'silent', 'up'] as const;

async function soak(daemon: Daemon): Promise<void> {
  const ending = new AbortController();
  const { signal } = ending;
  const running = [
    storm(top, runtime, done, signal),
    pressure(done, signal),
    every(SAMPLE_SECONDS, signal, () => {
      if (!daemon.isAlive) throw new Error(`the daemon ended:\n${daemon.log.slice(-20).join('\n')}`);
      samples.push(daemon.sample());
    }),
    every(RELOAD_SECONDS, signal, (round) => {
      configure(round);
      daemon.reload();
      reloads++;
    }),
    every(STATE_SECONDS, signal, (round) => receiver.set(STATES[round % STATES.length] ?? 'up')),
    every(47, signal, () => runtime.restart()),
  ];
  for (const one of running) one.catch(() => ending.abort());
  await sleep(seconds * 1000, undefined, { signal }).catch(() => {});
  ending.abort();
  await Promise.all(running);
  await receiver.set('up');
  await sleep(5000);
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** The median of a tenth of the samples: of the first after the start has settled, and of the last. */
function ends(of: (sample: Sample) => number): { first: number; last: number; most: number } {
  const settled = samples.filter((sample) => sample.seconds >= settleSeconds);
  const tenth = Math.max(3, Math.ceil(settled.length / 10));
  const figures = settled.map(of);
  return { first: median(figures.slice(0, tenth)), last: median(figures.slice(-tenth)), most: Math.max(...figures) };
}

function judge(daemon: Daemon, end: { code: unknown; seconds: number }) {
  const rss = ends(({ rssKib }) => rssKib);
  const kept = {
    descriptors: ends(({ descriptors }) => descriptors),
    'BPF objects': ends(({ bpf }) => bpf),
    threads: ends(({ threads }) => threads),
    timers: ends(({ timers }) => timers),
  };
  const failures: string[] = [];
  const must = (holds: boolean, otherwise: string) => {
    if (!holds) failures.push(otherwise);
  };
  must(rss.last - rss.first <= MOST_GROWTH_KIB, `resident memory grew by ${rss.last - rss.first} KiB`);
  for (const [name, { first, last }] of Object.entries(kept)) {
    must(last <= first + (MOST_MORE[name] ?? 0), `${name}: ${first} became ${last}`);
  }
  must(
    heard.kills + heard.lostKills === done.kills,
    `${done.kills} kills, ${heard.kills} delivered, ${heard.lostKills} lost`,
  );
  must(done.kills > 0 && samples.length > 5, 'nothing happened');
  must(heard.stopped === 1, `${heard.stopped} tracer.stopped events`);
  must(end.code === 0, `the daemon ended with ${end.code}`);
  must(end.seconds <= 5, `SIGTERM took ${end.seconds.toFixed(1)} s`);
  const reloaded = daemon.said('Reloaded');
  must(reloaded === reloads, `${reloads} reloads, ${reloaded} done`);
  const row = (name: string, { first, last, most }: { first: number; last: number; most: number }, unit = '') => [
    name,
    `${first}${unit}`,
    `${last}${unit}`,
    `${most}${unit}`,
  ];
  const held = table([
    ['held', 'after the start', 'at the end', 'most'],
    row('resident memory', rss, ' KiB'),
    ...Object.entries(kept).map(([name, figures]) => row(name, figures)),
  ]);
  const files = readdirSync(directory).filter((name) => /^alerts.*jsonl/.test(name));
  const alerts = files.reduce(
    (sum, name) => sum + readFileSync(join(directory, name), 'utf8').split('\n').length - 1,
    0,
  );
  const did = table([
    ['done', 'count'],
    ['containers that started and ended', String(done.containers)],
    ['kills that the kernel counted', String(done.kills)],
    ['kills delivered', String(heard.kills)],
    ['kills lost and reported as lost', String(heard.lostKills)],
    ["kills with the container's name", String(heard.named)],
    ['events delivered', String(heard.events)],
    ['other events lost and reported as lost', String(heard.lostEvents)],
    ['seconds of memory pressure', String(done.pressureSeconds)],
    ['reloads sent, done', `${reloads}, ${reloaded}`],
    ['alerts in the file', String(alerts)],
    ['alerts that the webhook took, refused', `${receiver.received}, ${receiver.refused}`],
    ['seconds from SIGTERM to the end', end.seconds.toFixed(1)],
  ]);
  return { text: `${held}\n${did}`, failures };
}

function write(text: string, failures: readonly string[]): void {
  const file = resolve(import.meta.dirname, '../../docs/proofs/soak.md');
  mkdirSync(join(file, '..'), { recursive: true });
  const minutes = Math.round(seconds / 60);
  const page = `# Soak

The daemon (\`oomscope run\`) traces and guards for ${minutes} minutes while processes are killed in short-lived containers, a cgroup is
under memory pressure, the configuration is reloaded every ${RELOAD_SECONDS} seconds, the runtime restarts, and the receiver of alerts is gone, refuses
or never answers for ${STATE_SECONDS} seconds at a time. The soak fails if resident memory grows by more than 5 MiB after the first ${Math.round(settleSeconds / 60)} minutes, if
descriptors, BPF objects, threads or timers grow, or if the kills that the kernel counted are not those delivered and lost.

\`npm run soak -- --hours ${values.hours}\`, ${minutes} minutes, begun ${where.date}, commit ${where.commit}: ${failures.length === 0 ? 'passed' : 'FAILED'}.
Linux ${where.kernel}, ${where.cpus} CPUs (${where.cpu}), Node ${where.node}, load ${where.load_before.map((load) => load.toFixed(1)).join(' ')}.

\`\`\`
${text.trimEnd()}
${failures.map((failure) => `FAILED: ${failure}\n`).join('')}\`\`\`
`;
  writeFileSync(file, page);
}

try {
  configure(0);
  await runtime.listen(join(directory, 'docker.sock'));
  await receiver.set('up');
  const daemon = new Daemon(directory, join(directory, 'docker.sock'), hear);
  await daemon.ready();
  await soak(daemon);
  const end = await daemon.end();
  const { text, failures } = judge(daemon, end);
  process.stdout.write(`${text}${failures.map((failure) => `FAILED: ${failure}\n`).join('')}`);
  if (failures.length > 0) process.stderr.write(`${[...new Set(daemon.log)].slice(-30).join('\n')}\n`);
  if (values.write) write(text, failures);
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await receiver.close();
  runtime.close();
  top.remove();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
