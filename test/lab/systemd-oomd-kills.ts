/**
 * Lets the real systemd-oomd kill services, in a guest whose process 1 is systemd. Prints, for each service, a line of
 * JSON with the author and the reason of each kill: those that systemd knows, and those that `process.killed` names.
 * Then `config import --running` reads the settings of a running unit, and the guard chooses between services with
 * different ManagedOOMPreference=.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Event } from '../../src/model/events.ts';
import type { ProcessKilled } from '../../src/model/process-killed.ts';
import { openTracer } from '../../src/tracer/tracer.ts';

const ROOT = join(import.meta.dirname, '../..');
const THRASH = join(ROOT, 'build/thrash');
const HOG = join(ROOT, 'build/hog');
const MAIN = join(ROOT, 'dist/cli/main.js');
const WAIT_MS = 180_000;

const events: Event[] = [];
using tracer = await openTracer({ allKills: true });
tracer.events$.subscribe((event) => events.push(event));

const run = (...[program = '', ...words]: string[]) => execFileSync(program, words, { encoding: 'utf8' }).trim();
const property = (unit: string, name: string) => run('systemctl', 'show', unit, '-p', name, '--value');
const oomd = property('systemd-oomd', 'MainPID');
/** The line that systemd-oomd wrote about the kill of a unit. */
const written = (unit: string) =>
  run('journalctl', '--unit=systemd-oomd', '--output=cat', '--no-pager')
    .split('\n')
    .find((line) => line.startsWith(`Killed /system.slice/${unit} due to `));
const told = (pid: number) =>
  events.find((event): event is ProcessKilled => event.type === 'process.killed' && event.victim.pid === pid);

function line({ signal, by }: ProcessKilled): string {
  return `${signal} ${by.kind} ${by.name} ${by.means} ${by.process?.pid}, ${by.reason?.source}: ${by.reason?.words}`;
}

async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(100)) {
    const found = look();
    if (found) return found;
  }
  throw new Error(`expected that ${what}`);
}

/** A service that needs more memory than it may have, and a second process in it. */
async function play(unit: string, properties: readonly string[]): Promise<void> {
  const set = ['MemoryHigh=40M', ...properties].flatMap((each) => ['-p', each]);
  const script = `sleep 1000 & exec ${THRASH} --cgroup /sys/fs/cgroup/system.slice/${unit} --seconds 300 --anon 120M`;
  run('systemd-run', '--quiet', `--unit=${unit}`, ...set, 'sh', '-c', script);
  const pids = await until(`${unit} has two processes`, () => {
    const found = readFileSync(`/sys/fs/cgroup/system.slice/${unit}/cgroup.procs`, 'latin1').trim().split('\n');
    return found.length === 2 && found.map(Number);
  });
  await until(`systemd-oomd ends ${unit}`, () => property(unit, 'Result') === 'oom-kill');
  const why = await until('systemd-oomd says why', () => written(unit));
  await until('each death is told', () => pids.every(told)).catch(() => {});
  const wanted = pids.map(() => `SIGKILL early_killer systemd-oomd signal ${oomd}, journal: ${why}`);
  const got = pids.map((pid) => {
    const event = told(pid);
    return event ? line(event) : `${pid} not told`;
  });
  process.stdout.write(`${JSON.stringify({ name: unit, wanted, got })}\n`);
}

const scenes = {
  'pressed.service': [
    'ManagedOOMMemoryPressure=kill',
    'ManagedOOMMemoryPressureLimit=5%',
    'ManagedOOMMemoryPressureDurationSec=1s',
  ],
  'swapped.service': ['ManagedOOMSwap=kill'],
};
for (const [unit, properties] of Object.entries(scenes)) await play(unit, properties);
convert();
await choose();

/** What systemd says of a running unit must become a rule. @throws if it does not */
function convert(): void {
  const set = [
    ...['-p', 'ManagedOOMMemoryPressure=kill', '-p', 'ManagedOOMMemoryPressureLimit=62.5%'],
    ...['-p', 'ManagedOOMMemoryPressureDurationSec=1min', '--unit=watched', '--slice=a-b.slice'],
  ];
  run('systemd-run', '--quiet', ...set, 'sleep', '1000');
  const text = run(process.execPath, MAIN, 'config', 'import', 'systemd-oomd', '--running');
  const rule = ['on = ["/a.slice/a-b.slice/watched.service"]', 'when = ["pressure.full.avg10 > 62.5 % for 1m"]'];
  const absent = rule.filter((line) => !text.includes(line));
  if (absent.length > 0) throw new Error(`expected a rule with ${absent.join(' and ')}, got ${text}`);
}

/** The guard must end the only service whose cgroup has no mark, although it is the smallest. */
async function choose(): Promise<void> {
  const services = { omit: '120M', avoid: '90M', none: '60M' };
  for (const [preference, size] of Object.entries(services)) {
    const set = ['-p', `ManagedOOMPreference=${preference}`, `--unit=${preference}`];
    run('systemd-run', '--quiet', ...set, HOG, '--guest', '--hold', size);
  }
  const pids = Object.keys(services).map((unit) => Number(property(unit, 'MainPID')));
  await until('the services hold their memory', () => pids.every((pid) => residentKib(pid) > 59 * 1024));
  const words = ['guard', '--enforce', '--when', 'available <= 99 %', '--json'];
  const guard = spawn(process.execPath, [MAIN, ...words], { stdio: 'ignore' });
  const [first] = await until('the guard ends a service', () => {
    const dead = pids.flatMap((pid) => told(pid) ?? []);
    return dead.length > 0 && dead;
  }).finally(() => guard.kill());
  const got = [`${first?.victim.unit} was ended by ${first?.by.kind}`];
  process.stdout.write(`${JSON.stringify({ name: 'preference', wanted: ['none.service was ended by guard'], got })}\n`);
}

function residentKib(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
