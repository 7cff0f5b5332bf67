/**
 * `process.killed` names the real earlyoom and the real nohang, each in a pid namespace of its own: there they see, and
 * can kill, only the processes that the test has started. Only their /proc/meminfo is made, so that memory seems short.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { unpackedPackage } from '../../scripts/lab/debian-program.ts';
import { realEarlyoom } from '../../scripts/lab/earlyoom.ts';
import { readIfPresent } from '../../src/linux/read-if-present.ts';
import type { Event } from '../../src/model/events.ts';
import type { ProcessKilled } from '../../src/model/process-killed.ts';
import { ROOT } from '../cli/cli.ts';
import { createMemoryGroup, MIB, oomKillsUnavailable, removeMemoryGroups } from '../kernel/memcg.ts';
import { Recorder } from '../kernel/recorder.ts';
import { schemaErrors } from '../schema.ts';

const HOG = join(ROOT, 'build/hog');
/** Starts the victim, which process 1 of the namespace waits for, and then the killer. */
const SCRIPT =
  'mount --bind meminfo /proc/meminfo; $HOG --cgroup $GROUP --hold 64M --max 64M & "$@" & wait %1; kill -9 %2';

/** The command of each killer, in the directory of its configuration. */
const killers: Readonly<Record<string, () => Promise<string[]>>> = {
  earlyoom: async () => [await realEarlyoom('1.8.2'), '-r', '0'],
  nohang: async () => {
    const root = await unpackedPackage('nohang', 'trixie', '0.2.0');
    return [join(root, 'usr/sbin/nohang'), '--monitor', '--config', join(root, 'usr/share/nohang/nohang.conf')];
  },
};

/** "" if the process has exited since its pid was read. */
const read = (pid: number, file: string) => readIfPresent(`/proc/${pid}/${file}`)?.trim() ?? '';
const childrenOf = (pid: number) => read(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number);
const nameOf = (pid: number) => read(pid, 'comm');

/** The process of the namespace with this name. */
async function started(unshare: number, name: string): Promise<number> {
  for (let tries = 0; tries < 200; tries++, await sleep(20)) {
    const inside = childrenOf(unshare).flatMap(childrenOf);
    const found = inside.find((pid) => nameOf(pid) === name);
    if (found !== undefined) return found;
  }
  throw new Error(`expected ${name} to start in the namespace`);
}

describe.skipIf(oomKillsUnavailable() !== undefined || !existsSync('/usr/bin/python3'))('the author of a kill', () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-killers-'));
  const short = readFileSync('/proc/meminfo', 'latin1')
    .replace(/^(MemAvailable|MemFree): .*/gm, '$1: 100000 kB')
    .replace(/^(AnonPages): .*/m, '$1: 9000000 kB') // earlyoom divides by the sum of available and anonymous memory
    .replace(/^(SwapTotal|SwapFree): .*/gm, '$1: 0 kB');
  writeFileSync(join(directory, 'meminfo'), short);
  afterEach(removeMemoryGroups);
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(Object.keys(killers))('is %s', { timeout: 120_000 }, async (name) => {
    const command = await (killers[name] as () => Promise<string[]>)();
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    await using recorder = await Recorder.open({ allKills: true }, true);
    const inside = ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', SCRIPT, 'sh', ...command];
    const child = spawn('unshare', inside, {
      ...{ cwd: directory, stdio: 'ignore' },
      env: { PATH: process.env.PATH, GROUP: group.path, HOG },
    });
    const ended = once(child, 'exit');
    const [victim, killer] = await Promise.all([
      started(child.pid as number, 'hog'),
      started(child.pid as number, name),
    ]);
    const isDeath = (event: Event): event is ProcessKilled =>
      event.type === 'process.killed' && event.victim.pid === victim;
    const death = await recorder.find(isDeath, 60_000).finally(() => child.kill('SIGKILL'));
    expect(schemaErrors(death)).toEqual([]);
    expect(death).toMatchObject({
      ...{ signal: expect.stringMatching(/^SIG(TERM|KILL)$/), victim: { comm: 'hog' } },
      by: { kind: 'early_killer', name, means: 'signal', process: { pid: killer, comm: name } },
    });
    expect(death.message).toContain(`was killed with ${death.signal} by ${name} (pid ${killer})`);
    await ended;
  });
});
