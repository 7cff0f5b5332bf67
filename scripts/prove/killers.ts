/**
 * Ends containers of a real dockerd in many ways, and compares the author that `oomscope docker watch` names with the one
 * that the scene knows; then kills processes in guests: with other kernels, with and without cgroup v2,
 * and with systemd-oomd.
 *
 *   npm run prove:killers -- [--fresh] [--part PART]... [--write]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import { removeGroups, startDocker } from '../../test/runtimes/daemon.ts';
import { killerScenes, toldBy } from '../../test/runtimes/killer-scenes.ts';
import { Watching } from '../../test/runtimes/watching.ts';
import { table } from '../bench/report.ts';
import { bootGuest, type GuestOptions, lastLines } from '../lab/guest.ts';
import { type Part, prove } from './proof.ts';

/** 13 kinds and 16 ends of each are 208. */
const ENDS = 16;
/** A guest takes a minute or two on an idle machine. */
const LIMIT_SECONDS = 600;
const guests = [
  { kernel: '5.10', cgroup: 'v1' },
  { kernel: '5.10', cgroup: 'v2' },
  { kernel: '6.1', cgroup: 'v2' },
  { kernel: '6.12', cgroup: 'v2' },
  { kernel: '7.2', cgroup: 'v2' },
] as const;

interface Figures {
  ends: number;
  right: number;
  /** What could not be played there, and why. */
  left: string[];
}

async function playContainers(scene: (typeof killerScenes)[number]): Promise<Figures> {
  if (scene.unavailable !== undefined) return { ends: 0, right: 0, left: [scene.unavailable] };
  const daemon = await startDocker();
  const slice = createMemoryGroup({
    ...{ limitBytes: 48 * 2 ** 20, parent: memoryHierarchy()?.mount as string },
    name: `oomscope-${process.pid}-killers`,
  });
  const wrong: string[] = [];
  try {
    await using watch = await Watching.start(['docker', 'watch', '--json', '--socket', daemon.socket]);
    for (let i = 0; i < ENDS; i++) {
      const name = `end-${i}`;
      const truth = await scene.play({ daemon, slice }, name);
      const end = await watch.end(name, truth.type);
      if (!isDeepStrictEqual(toldBy(end, truth), truth)) {
        wrong.push(`expected ${JSON.stringify(truth)}, got ${JSON.stringify(toldBy(end, truth))}: ${end.message}`);
      }
      await daemon.command(['rm', '--force', name], true);
    }
  } finally {
    await daemon.close();
    slice.remove();
    removeGroups([slice.cgroupPath]);
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return { ends: ENDS, right: ENDS, left: [] };
}

interface Said {
  name: string;
  not?: string;
  wanted?: string[];
  got?: string[];
}

/** @param script plays the scenes in the guest */
async function playGuest(guest: Omit<GuestOptions, 'command'>, script: string): Promise<Figures> {
  const options = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
  const command = ['/runtime/bin/node', ...options, script];
  const result = await bootGuest({ ...guest, memoryMib: 768, limitSeconds: LIMIT_SECONDS, command });
  if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${result.stdout}\n${lastLines(result)}`);
  const said = result.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Said);
  const wrong = said.filter(({ not, wanted, got }) => not === undefined && !isDeepStrictEqual(wanted, got));
  if (wrong.length > 0) throw new Error(wrong.map((one) => JSON.stringify(one)).join('\n'));
  const ends = said.flatMap(({ wanted = [] }) => wanted).length;
  return { ends, right: ends, left: said.flatMap(({ name, not }) => (not === undefined ? [] : [`${name}: ${not}`])) };
}

/** Debian's systemd-oomd, with a setting by which it acts as soon as some swap is used. */
async function playOomd(): Promise<Figures> {
  const work = mkdtempSync(join(tmpdir(), 'oomscope-killers-'));
  const settings = join(work, 'oomd.conf');
  writeFileSync(settings, '[OOM]\nSwapUsedLimit=15%\n');
  try {
    const guest: Omit<GuestOptions, 'command'> = {
      ...{ kernel: '6.12', swap: 'zram', swapMib: 256, cpus: 1 },
      system: { suite: 'trixie', packages: ['systemd-oomd', 'libbpf1'], units: ['systemd-oomd.service'] },
      files: { '/etc/systemd/oomd.conf.d/lab.conf': settings },
    };
    return await playGuest(guest, 'test/lab/systemd-oomd-kills.ts');
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const parts: Part<Figures>[] = [
  ...killerScenes.map((scene) => ({ name: scene.kind, run: () => playContainers(scene) })),
  ...guests.map((guest) => ({
    name: `guest ${guest.kernel} ${guest.cgroup}`,
    run: () => playGuest(guest, 'test/lab/killers-in-guest.ts'),
  })),
  { name: 'guest 6.12 systemd-oomd', run: playOomd },
];

await prove<Figures>({
  name: 'killers',
  claim:
    'For each container that ends with exit code 137 and for each process that dies of a signal, oomscope names the author that the scene knows. The real systemd-oomd, of Debian 13 with systemd as process 1, ends two services, one for memory pressure and one for swap; there the author includes the reason that systemd-oomd writes to the journal. The real earlyoom and nohang run in `test/lab/early-killers.test.ts`. The real kubelet runs in `prove:kubelet`: there it is the author of two ends after a failed liveness probe and of one eviction, each with its own words.',
  parts,
  render: (finished) =>
    table([
      ['how the container or the process ended', 'ends', 'right', 'not played'],
      ...finished.map(({ name, figures }) => [
        name,
        String(figures?.ends ?? '-'),
        String(figures?.right ?? '-'),
        figures?.left.join('; ') ?? 'failed',
      ]),
      [
        'together',
        ...(['ends', 'right'] as const).map((key) =>
          String(finished.reduce((sum, { figures }) => sum + (figures?.[key] ?? 0), 0)),
        ),
        '',
      ],
    ]),
});
