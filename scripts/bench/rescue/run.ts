/**
 * Runs one workload once with one killer, in a guest that is booted for this run or in a memory cgroup of this
 * machine.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createMemoryGroup } from '../../../src/demo/memory-group.ts';
import { cacheDirectory } from '../../cache.ts';
import { bootGuest } from '../../lab/guest.ts';
import { type Killer, oomscope, RIVALS, type Service, unpack } from './killers.ts';
import type { Workload } from './workloads.ts';

/**
 * The line that referee.c prints. Times are counted from the start of the eaters. A time of −1 means that the event
 * did not happen.
 */
export interface Verdict {
  /** Number of innocent processes that ended. */
  lost: number;
  /** Number of eaters that ended. */
  eaten: number;
  eater_living: boolean;
  kernel_kills: number;
  killer_died: boolean;
  first_headroom: number;
  least_headroom: number;
  seconds: number;
  first_death_s: number;
  short_s: number;
  back_s: number;
  stall_ms: number;
  rss_kib: number;
  rss_most_kib: number;
  /** Share of one CPU while the workload ran. */
  cpu: number;
  idle_cpu: number;
}

const BUILT = resolve(import.meta.dirname, '../../../build/bench');
const GROUP = '/sys/fs/cgroup/work';
const KILLERS_GROUP = '/sys/fs/cgroup/killer';
/** Of this machine's time. The clock of the guest counts instructions, so other work here makes the guest last longer. */
const BOOT_SECONDS = 240;
/** systemd starts more programs. */
const SYSTEMD_BOOT_SECONDS = 480;
const SLOWER = 6;
const SLICE = 'work.slice';
const MIB = 2 ** 20;
/** The name for --kernel that selects cgroups of this machine instead of guests. */
export const HERE = 'host';

/** Compiles load.c and referee.c statically, so that they need no libraries in the guest. */
export function buildPrograms(): void {
  mkdirSync(BUILT, { recursive: true });
  for (const name of ['load', 'referee']) {
    const flags = ['-O2', '-Wall', '-Wextra', '-static', join(import.meta.dirname, `${name}.c`)];
    execFileSync('cc', [...flags, '-o', join(BUILT, name)], { stdio: 'inherit' });
  }
}

/** @throws when the guest, the killer or a program of the workload did not start */
export async function run(
  workload: Workload,
  killer: Killer,
  kernel: string,
): Promise<{ verdict: Verdict; log: string; kernel: string }> {
  if (kernel === HERE) return runHere(workload, killer);
  const out = mkdtempSync(join(tmpdir(), 'rescue-'));
  try {
    const { service } = killer;
    const bin = service ? '/usr/local/bin' : '/bin';
    const files: Record<string, string> = {
      [`${bin}/load`]: join(BUILT, 'load'),
      [`${bin}/referee`]: join(BUILT, 'referee'),
    };
    if (killer.packages) files['/rivals'] = await unpack(killer.packages, cacheDirectory('lab'));
    const made = { ...killer.files, ...(service && sliceFile(service, workload)) };
    for (const [path, text] of Object.entries(made)) {
      files[path] = join(out, path.replaceAll('/', '_'));
      writeFileSync(files[path], text);
    }
    const guest = await bootGuest({
      ...{ kernel, ...workload.guest, virtualTime: true, files, outDir: join(out, 'out') },
      ...(service && { system: { suite: 'trixie', packages: [service.package], units: [`${service.unit}.service`] } }),
      command: ['sh', '-c', service ? systemdScript(workload, service) : script(workload, killer)],
      limitSeconds: (service ? SYSTEMD_BOOT_SECONDS : BOOT_SECONDS) + SLOWER * workload.limitSeconds,
    });
    const log = read(join(out, 'out', 'daemon.log'));
    const line = guest.stdout.split('\n').find((text) => text.startsWith('{'));
    if (line === undefined) {
      const said = [guest.stderr, log, guest.console].filter(Boolean).join('\n');
      throw new Error(`${workload.name}, ${killer.name}: no verdict, exit ${guest.exitCode}\n${said}`);
    }
    return { verdict: JSON.parse(line) as Verdict, log, kernel: guest.kernel.version };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/**
 * Runs the workload in a cgroup as large as the guest would be, and on one CPU, as in the guests. The killer and the
 * workload share only this CPU.
 */
async function runHere(workload: Workload, killer: Killer): Promise<{ verdict: Verdict; log: string; kernel: string }> {
  const work = mkdtempSync(join(tmpdir(), 'rescue-'));
  const group = createMemoryGroup({ limitBytes: (workload.limitMib ?? workload.guest.memoryMib ?? 0) * MIB });
  try {
    const config = join(work, 'oomscope.toml');
    if (killer.here) writeFileSync(config, killer.here(group.cgroupPath));
    const main = resolve(import.meta.dirname, '../../../dist/cli/main.js');
    const daemon = oomscope(`--config ${config} --json`, process.execPath, main);
    const words = [
      ...['-c', '0', join(BUILT, 'referee'), '--limit', String(workload.limitSeconds), '--group', group.path],
      ...(killer.here ? ['--daemon', daemon, '--ready', killer.ready ?? ''] : []),
      ...workload.innocent.flatMap((one) => ['--innocent', join(BUILT, one)]),
      ...workload.eaters.flatMap((one) => ['--eater', join(BUILT, one)]),
    ];
    const { stdout } = await promisify(execFile)('taskset', words, { cwd: work });
    return {
      verdict: JSON.parse(stdout) as Verdict,
      log: read(join(work, 'daemon.log')),
      kernel: `${HERE}, ${release()}`,
    };
  } finally {
    group.remove();
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Moves the unpacked packages to a disk and drops the page cache, so that every killer starts under the same
 * conditions.
 */
function script(
  { innocent, eaters, limitMib, limitSeconds }: Workload,
  { command, ready, packages, group }: Killer,
): string {
  const words = [
    ...['referee', '--limit', limitSeconds, '--log', '/out/daemon.log'],
    ...(command ? ['--daemon', command, '--ready', ready ?? ''] : []),
    ...(group ? ['--daemon-group', KILLERS_GROUP] : []),
    ...(limitMib ? ['--group', GROUP] : []),
    ...innocent.flatMap((one) => ['--innocent', one]),
    ...eaters.flatMap((one) => ['--eater', one]),
  ];
  return [
    'set -e',
    ...(packages
      ? [
          `mv /rivals ${RIVALS}`,
          `cd ${RIVALS}; ln -s usr/lib lib; ln -s usr/lib64 lib64; ln -s usr/bin bin; mkdir -p proc sys dev tmp`,
          'for i in proc sys dev; do mount --bind /$i $i; done; cd /',
        ]
      : []),
    ...(limitMib ? [`mkdir ${GROUP}; echo ${limitMib}M >${GROUP}/memory.max`] : []),
    ...(group ? [`mkdir ${KILLERS_GROUP}`] : []),
    ...Object.entries(group ?? {}).map(([file, value]) => `echo ${value} >${KILLERS_GROUP}/${file}`),
    'sync; echo 3 >/proc/sys/vm/drop_caches; cd /tmp',
    `exec ${quoted(words)}`,
  ].join('\n');
}

const quoted = (words: readonly (string | number)[]) => words.map((word) => `'${word}'`).join(' ');

function sliceFile({ slice }: Service, { limitMib }: Workload): Record<string, string> {
  const settings = [...slice, ...(limitMib ? [`MemoryMax=${limitMib}M`] : [])];
  return { [`/etc/systemd/system/${SLICE}`]: `[Slice]\n${settings.join('\n')}\n` };
}

/** systemd has started the killer. systemd-run puts each process into its scope, and then becomes the process. */
function systemdScript({ innocent, eaters, limitMib, limitSeconds }: Workload, service: Service): string {
  const scope = (settings: readonly string[], command: string) =>
    ['systemd-run --quiet --scope', `--slice=${SLICE}`, ...settings.map((each) => `-p ${each}`), command].join(' ');
  const words = [
    ...['--limit', limitSeconds],
    ...(limitMib ? ['--group', `/sys/fs/cgroup/${SLICE}`] : []),
    ...innocent.flatMap((one) => ['--innocent', scope(service.innocent, one)]),
    ...eaters.flatMap((one) => ['--eater', scope([], one)]),
  ];
  return [
    `systemctl start ${SLICE}`,
    `pid=$(systemctl show ${service.unit} -p MainPID --value)`,
    '[ "$pid" != 0 ] || exit 1',
    'sync; echo 3 >/proc/sys/vm/drop_caches; cd /tmp',
    `referee --daemon-pid "$pid" ${quoted(words)}; code=$?`,
    `journalctl -b -o short-monotonic --no-pager -u ${service.unit} >/out/daemon.log`,
    'exit $code',
  ].join('\n');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
