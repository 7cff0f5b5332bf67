/**
 * Runs the scenarios on this kernel, in a guest or on a host. Prints a JSON line with the hooks in use, then a JSON
 * line for each scenario:
 *
 *   node test/lab/run.ts [--backend BACKEND] [--unprivileged] [NAME…]
 *
 * It needs root to make the kills. --unprivileged traces from a process that has only the privileges that tracing needs.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Backend } from '../../src/bpf/load/variants.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import type { OomKill } from '../../src/model/events.ts';
import { KernelLog } from '../kernel/kernel-log.ts';
import { type MemoryGroup, removeMemoryGroups } from '../kernel/memcg.ts';
import { Recorder, type Recording } from '../kernel/recorder.ts';
import { type GroupCount, reconcile } from './reconcile.ts';
import type { Here, Lab, Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { UnprivilegedRecorder } from './unprivileged.ts';

export interface Result {
  name: string;
  state: 'reconciled' | 'different' | 'not here';
  /** The differences between our events and the kernel, or why the scenario cannot run here. */
  notes: string[];
  kills: number;
  seconds: number;
}

const PATIENCE_MS = 15_000;

function here(): Here {
  const nodes = readdirSync('/sys/devices/system/node').filter((name) => /^node\d+$/.test(name));
  return {
    guest: existsSync('/lab/settings'),
    cgroupVersion: memoryHierarchy()?.version ?? 1,
    numaNodes: nodes.length,
    swap: !/^SwapTotal:\s+0 kB/m.test(readFileSync('/proc/meminfo', 'utf8')),
  };
}

const vmstatKills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);

function groupCount(group: MemoryGroup): GroupCount {
  const counter = (file: string) => Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(group.path, file), 'utf8'))?.[1]);
  if (group.version === 1)
    return { cgroupPath: group.cgroupPath, local: counter('memory.oom_control'), tree: undefined };
  return { cgroupPath: group.cgroupPath, local: counter('memory.events.local'), tree: counter('memory.events') };
}

/** Opens a tracer. @param everything also records kills outside our own groups */
type Open = (everything: boolean) => Promise<Recorder | UnprivilegedRecorder>;

async function runScenario(scenario: Scenario, where: Here, open: Open): Promise<Result> {
  const reason = scenario.notHere?.(where);
  if (reason) return { name: scenario.name, state: 'not here', notes: [reason], kills: 0, seconds: 0 };
  const begin = performance.now();
  const notes: string[] = [];
  const groups: MemoryGroup[] = [];
  const killsBefore = vmstatKills();
  using log = new KernelLog();
  await using recorder = await open(where.guest);
  const follow = setInterval(() => log.read(), 20);
  const lab: Lab = {
    ...where,
    recorder,
    watch: (group) => groups.push(group),
    same(what, actual, expected) {
      const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
      if (a !== b) notes.push(`${what}: got ${a}, expected ${b}`);
    },
    async kills(count) {
      await settled(recorder, count);
      return recorder.kills;
    },
  };
  try {
    await scenario.run(lab);
    const counts = groups.map(groupCount);
    log.read();
    if (log.lost > 0) notes.push(`${log.lost} records of the kernel log were overwritten`);
    const ours = where.guest ? undefined : new Set(recorder.kills.map(({ victim }) => victim.tid));
    // A shared host may have other kills; only those in our cgroups count.
    const lines = ours ? log.lines.filter((line) => line.type !== 'killed' || ours.has(line.pid)) : log.lines;
    const vmstat = where.guest ? vmstatKills() - killsBefore : lines.filter(({ type }) => type === 'killed').length;
    notes.push(...reconcile({ kills: recorder.kills, lines, vmstat, groups: counts }));
  } catch (error) {
    notes.push((error as Error).stack ?? String(error));
  } finally {
    clearInterval(follow);
    removeMemoryGroups();
  }
  const seconds = Math.round((performance.now() - begin) / 100) / 10;
  return {
    name: scenario.name,
    state: notes.length === 0 ? 'reconciled' : 'different',
    notes,
    kills: recorder.kills.length,
    seconds,
  };
}

/** Waits until there are enough kills, and then until no more kills arrive for a moment. */
async function settled(recorder: Recording, count: number): Promise<OomKill[]> {
  const deadline = performance.now() + PATIENCE_MS;
  while (recorder.kills.length < count && performance.now() < deadline) await sleep(20);
  for (let seen = -1; seen !== recorder.kills.length; ) {
    seen = recorder.kills.length;
    await sleep(300);
  }
  return recorder.kills;
}

const where = here();
if (where.guest) writeFileSync('/proc/self/oom_score_adj', '-1000'); // the kernel must not choose this process
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { backend: { type: 'string' }, unprivileged: { type: 'boolean' } },
});
const options: { backend?: Backend } = values.backend === undefined ? {} : { backend: values.backend as Backend };
const tracer = values.unprivileged ? UnprivilegedRecorder : Recorder;
let hasTold = false;
/** Tells the hooks of the first tracer: in a guest, to open one takes seconds. */
const open: Open = async (everything) => {
  const recorder = await tracer.open(options, everything);
  if (!hasTold) console.log(JSON.stringify({ hooks: recorder.started.hooks }));
  hasTold = true;
  return recorder;
};
let failed = false;
for (const scenario of scenarios) {
  if (wanted.length > 0 && !wanted.includes(scenario.name)) continue;
  const result = await runScenario(scenario, where, open);
  failed ||= result.state === 'different';
  if (!hasTold) await (await open(false))[Symbol.asyncDispose](); // no tracer was needed
  console.log(JSON.stringify(result));
}
process.exitCode = failed ? 1 : 0;
