/**
 * Kills in cgroups with long and hostile names, many levels deep. The names are invented by a generator with a seed; what the
 * events must say comes from the names that this file gave the cgroups.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OomKill } from '../../src/model/events.ts';
import { killPasses } from '../../src/stream/filter-kills.ts';
import { seeded } from '../seeded.ts';
import { createMemoryGroup, MIB, removeMemoryGroups } from './memcg.ts';
import { Recorder } from './recorder.ts';

const HOG = join(import.meta.dirname, '..', '..', 'build', 'hog');
const LIMIT_BYTES = 16 * MIB;
/** mkdir(2) takes no longer path, its NUL included; a part is left for the files in the cgroup. */
const MOST_PATH = 4096 - 64;
const PARALLEL = 4;

export interface HostileFigures {
  kills: number;
  deepest: number;
  longestName: number;
  longestPath: number;
  notUtf8: number;
  containers: number;
}

interface Group {
  /** The names below the group that has the limit. */
  names: Buffer[];
  container: string | null;
  pod: string | null;
}

/** Makes `count` kills and checks each event. @throws Error that lists every difference */
export async function hostileKills(seed: number, count: number): Promise<HostileFigures> {
  const random = seeded(seed);
  const groups = Array.from({ length: count }, () => inventGroup(random));
  await using recorder = await Recorder.open({ containers: false });
  const seen: { kill: OomKill; path: Buffer; group: Group; limitPath: string }[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) {
      const group = groups[i] as Group;
      const limited = createMemoryGroup({ limitBytes: LIMIT_BYTES });
      try {
        const pid = await killIn(makeBelow(Buffer.from(limited.path), group.names, limited.version));
        const path = Buffer.concat([Buffer.from(limited.cgroupPath), ...group.names.flatMap((name) => [SLASH, name])]);
        seen.push({ kill: await recorder.kill(pid), path, group, limitPath: limited.cgroupPath });
      } finally {
        await removeBelow(Buffer.from(limited.path), group.names);
        limited.remove();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  } finally {
    removeMemoryGroups();
  }
  const differences = seen.flatMap((one, i) => differencesOf(one, seen[(i + 1) % seen.length]?.path ?? SLASH));
  if (differences.length > 0) throw new Error(differences.join('\n'));
  return {
    kills: seen.length,
    deepest: Math.max(...groups.map(({ names }) => names.length)),
    longestName: Math.max(...groups.flatMap(({ names }) => names.map(({ length }) => length))),
    longestPath: Math.max(...seen.map(({ path }) => path.length)),
    notUtf8: seen.filter(({ path }) => !isUtf8(path)).length,
    containers: groups.filter(({ container }) => container !== null).length,
  };
}

const SLASH = Buffer.from('/');
const isUtf8 = (bytes: Buffer) => Buffer.from(bytes.toString()).equals(bytes);

function differencesOf(
  { kill, path, group, limitPath }: { kill: OomKill; path: Buffer; group: Group; limitPath: string },
  otherPath: Buffer,
): string[] {
  const { victim, limit } = kill;
  const found: string[] = [];
  const same = (what: string, actual: unknown, expected: unknown) => {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (a !== b) found.push(`${JSON.stringify(path.toString())}: ${what}: got ${a}, expected ${b}`);
  };
  const bytes =
    victim.raw?.cgroup === undefined ? Buffer.from(victim.cgroup ?? '') : Buffer.from(victim.raw.cgroup, 'hex');
  same('path', bytes.toString('hex'), path.toString('hex'));
  same('text of the path', victim.cgroup, path.toString());
  same('path of the limit', limit?.path, limitPath);
  same('container', victim.container?.id ?? null, group.container);
  same('pod', victim.pod?.uid ?? null, group.pod);
  const missing = kill.missing.filter((field) => !['victim.cmdline', 'cgroups'].includes(field));
  same('missing', missing, []);
  const text = path.toString();
  const passes = (filter: { cgroups?: string[]; containers?: string[] }) =>
    killPasses(kill, { kinds: [], comms: [], cgroups: [], ...filter });
  if (!/[*?]/.test(text)) {
    same('filter by its path', passes({ cgroups: [text] }), true);
    same('filter by the path of the limit', passes({ cgroups: [limitPath] }), true);
    same('filter by a path below', passes({ cgroups: [`${text}/x`] }), false);
    same('filter by another path', passes({ cgroups: [otherPath.toString().replaceAll(/[*?]/g, '_')] }), false);
  }
  if (group.container !== null) {
    same('filter by its container', passes({ containers: [group.container.slice(0, 12)] }), true);
    same('filter by another container', passes({ containers: ['0123456789ab'] }), false);
  }
  return found;
}

/**
 * Makes one cgroup below the other, each of them a memory cgroup: with cgroup v2, only where the cgroup above enables the
 * controller. Returns the directory of the innermost.
 */
function makeBelow(top: Buffer, names: Buffer[], version: 1 | 2): Buffer {
  let directory = top;
  for (const name of names) {
    if (version === 2) writeFileSync(Buffer.concat([directory, Buffer.from('/cgroup.subtree_control')]), '+memory');
    directory = Buffer.concat([directory, SLASH, name]);
    mkdirSync(directory);
  }
  return directory;
}

/** Removes the cgroups that makeBelow() made. The last process has exited, but the kernel may still be leaving the cgroup. */
async function removeBelow(top: Buffer, names: Buffer[]): Promise<void> {
  for (let depth = names.length; depth > 0; depth--) {
    const directory = Buffer.concat([top, ...names.slice(0, depth).flatMap((name) => [SLASH, name])]);
    for (let tries = 0; ; tries++) {
      try {
        rmdirSync(directory);
        break;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') break;
        if (code !== 'EBUSY' || tries > 400) throw error;
        await sleep(5);
      }
    }
  }
}

/** Runs a process in a cgroup until the kernel kills it there. Returns its pid. */
async function killIn(directory: Buffer): Promise<number> {
  const fd = openSync(directory, 'r');
  let child: ChildProcess;
  try {
    // The path may have bytes that are not UTF-8, which no argument can have.
    child = spawn(HOG, ['--cgroup', '/proc/self/fd/3', '--adj', '0'], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  } finally {
    closeSync(fd);
  }
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const signal = await new Promise((resolve) => {
    child.once('close', (_, by) => resolve(by));
  });
  if (signal !== 'SIGKILL') throw new Error(`expected the process to be killed, got ${String(signal)}: ${stderr}`);
  return child.pid as number;
}

function inventGroup(random: () => number): Group {
  const container = random() < 0.5 ? null : inventContainer(random);
  const names = [...(container?.names ?? [])];
  const levels = 1 + Math.floor(random() ** 2 * 40);
  let room = MOST_PATH - 200 - names.reduce((sum, { length }) => sum + length + 1, 0);
  for (let i = 0; i < levels; i++) {
    const name = inventName(random, Math.min(255, room - 1));
    if (name.length === 0) break;
    names.push(name);
    room -= name.length + 1;
  }
  return { names, container: container?.id ?? null, pod: container?.pod ?? null };
}

function inventContainer(random: () => number): { names: Buffer[]; id: string; pod: string | null } {
  const hex = (length: number) => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
  const id = `f${hex(63)}`;
  const pod = `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`;
  const slice = `kubepods-burstable-pod${pod.replaceAll('-', '_')}.slice`;
  const layouts: [string[], string | null][] = [
    [['kubepods.slice', 'kubepods-burstable.slice', `${slice}:cri-containerd:${id}`], pod],
    [['kubepods.slice', 'kubepods-burstable.slice', slice, `crio-${id}.scope`], pod],
    [['kubepods', 'burstable', `pod${pod}`, id], pod],
    [['docker', id], null],
    [['system.slice', `docker-${id}.scope`], null],
    [['machine.slice', `libpod-${id}.scope`, 'container'], null],
  ];
  const [names, of] = layouts[Math.floor(random() * layouts.length)] as (typeof layouts)[number];
  return { names: names.map((name) => Buffer.from(name)), id, pod: of };
}

/** Bytes that break programs which print, parse or match names. The kernel refuses "/" and a line feed. */
const HOSTILE = [
  ...[
    '\x1b[2J',
    '\x07',
    '\t',
    '\r',
    '"',
    "'",
    '\\',
    '\\n',
    '\\x2d',
    '$(reboot)',
    '`',
    '%s',
    '{}',
    '<b>',
    ' ',
    ':',
    '…',
  ],
  ...[
    '\u202e',
    '\u2028',
    '\u200b',
    '💥',
    'é',
    '漢',
    ' (deleted)',
    '..',
    '*',
    '?',
    '[a]',
    '--',
    ',',
    ';',
    '|',
    '=',
    '#',
  ],
].map((text) => Buffer.from(text));
const BROKEN = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x80, 0x80]].map((bytes) => Buffer.from(bytes));

function inventName(random: () => number, most: number): Buffer {
  const wanted = Math.min(most, random() < 0.3 ? 255 : 1 + Math.floor(random() * 60));
  const parts: Buffer[] = [Buffer.from('n')];
  let length = 1;
  while (length < wanted) {
    const pool = random() < 0.05 ? BROKEN : random() < 0.5 ? HOSTILE : [Buffer.from('abc'), Buffer.from('x')];
    const part = pool[Math.floor(random() * pool.length)] as Buffer;
    if (length + part.length > wanted) break;
    parts.push(part);
    length += part.length;
  }
  return most < 1 ? Buffer.alloc(0) : Buffer.concat(parts);
}
