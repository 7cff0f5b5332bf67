/**
 * The killers that are measured, and how each of them is started. They are the kernel alone; Debian's earlyoom,
 * nohang and systemd-oomd as their packages start them, and with settings for the workload; oomscope with its defaults,
 * and with settings for the workload.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Suite } from '../../lab/apt.ts';
import { say } from '../report.ts';

export interface Killer {
  name: string;
  /** The command in the guest. The rival's packages are below RIVALS. undefined: only the kernel kills. */
  command?: string;
  /** A text in the output of the killer that shows that the killer is running. */
  ready?: string;
  packages?: readonly string[];
  /** The killer is a service of systemd, which then is process 1 of a Debian of the guest. */
  service?: Service;
  /** Settings of the cgroup in which the killer runs. */
  group?: Readonly<Record<string, string>>;
  /** Files in the guest: path to content. */
  files?: Readonly<Record<string, string>>;
  /**
   * The killer's configuration for a shortage in a cgroup of this machine. null: it needs none. Absent: it cannot
   * watch a cgroup.
   */
  here?: ((cgroup: string) => string) | null;
}

/** A killer that systemd starts. All processes of the workload run in one slice, each in a scope of its own. */
export interface Service {
  unit: string;
  package: string;
  /** Settings of the slice. */
  slice: readonly string[];
  /** Settings of the scopes of the innocent processes. */
  innocent: readonly string[];
}

/** The directory of a rival's packages in the guest. It is on a disk, as on a real machine, not in memory. */
export const RIVALS = '/var/tmp/rivals';
/** The Debian suite of the guests' kernel 6.12. */
const SUITE = 'trixie';
const NOHANG = [
  ...['nohang', 'libc6', 'python3.13-minimal', 'libpython3.13-minimal', 'libpython3.13-stdlib'],
  ...['libexpat1', 'zlib1g', 'libffi8'],
];
const inRivals = (command: string) => `chroot ${RIVALS} ${command}`;
const nohang = (config: string) => inRivals(`/usr/bin/python3.13 -u /usr/sbin/nohang --monitor --config ${config}`);
/** Starts the guard as the unit of `oomscope systemd` does. */
export const oomscope = (words: string, node = 'node', main = '/oomscope/dist/cli/main.js') =>
  `${node} --max-old-space-size=64 ${main} guard --enforce ${words}`;
/**
 * MemoryMin= and MemorySwapMax= of the unit. earlyoom locks all of its memory itself; nohang locks the memory that it
 * has at its start.
 */
const UNIT = { 'memory.min': '64M', 'memory.swap.max': '0' };
/** Names of the processes that must survive. The settings for the workload tell them to every killer. */
const SPARED = '^(hold|read)$';

/** A configuration with a rule for one cgroup and none for the system. */
const inCgroup = (path: string) => `[[guard.rule]]
name = "a cgroup comes near its limit"
on = "${path}"
when = ["usage >= 90 %"]
kill = "process_group"
never = [{ comm = "${SPARED}" }]
steps = [{ do = "term", wait = "500ms" }, { do = "kill", at_once = ["usage >= 95 %"] }]
`;

const OOMSCOPE_BEST = `[guard]
kills_per_minute = 60

[[guard.rule]]
name = "memory runs out"
when = ["available <= 10 %", "swap_free <= 50 %"]
kill = "process_group"
min_size = "4M"
never = [{ comm = "${SPARED}" }]
steps = [{ do = "term", wait = "500ms" }, { do = "kill", at_once = ["available <= 5 %", "swap_free <= 25 %"] }]

[[guard.rule]]
name = "everything waits for memory"
when = ["pressure.full.avg10 >= 20 % for 2s", "available <= 20 %"]
kill = "process_group"
never = [{ comm = "${SPARED}" }]
steps = [{ do = "term", wait = "500ms" }, { do = "kill" }]

${inCgroup('/work')}`;

export const killers: Killer[] = [
  { name: 'kernel', here: null },
  {
    name: 'earlyoom',
    command: inRivals('/usr/bin/earlyoom -r 3600 -p'), // -p: what its unit sets by Nice= and OOMScoreAdjust=
    ...{ ready: 'sending SIG', packages: ['earlyoom', 'libc6'] },
  },
  {
    name: 'earlyoom-set',
    command: inRivals(`/usr/bin/earlyoom -p -g -m 10,5 -s 50,25 --ignore ${SPARED}`),
    ...{ ready: 'sending SIG', packages: ['earlyoom', 'libc6'] },
  },
  {
    name: 'nohang',
    command: nohang('/etc/nohang/nohang.conf'),
    ...{ ready: 'Monitoring', packages: NOHANG },
  },
  {
    name: 'nohang-set',
    command: nohang('/etc/nohang/best.conf'),
    ...{ ready: 'Monitoring', packages: NOHANG },
  },
  {
    name: 'systemd-oomd',
    // What its package sets for the sessions of users, in which it ends programs: 50 % for 20 s.
    service: {
      ...{ unit: 'systemd-oomd', package: 'systemd-oomd', innocent: [] },
      slice: ['ManagedOOMMemoryPressure=kill', 'ManagedOOMMemoryPressureLimit=50%'],
    },
  },
  {
    name: 'systemd-oomd-set',
    service: {
      ...{ unit: 'systemd-oomd', package: 'systemd-oomd', innocent: ['ManagedOOMPreference=omit'] },
      slice: [
        ...['ManagedOOMSwap=kill', 'ManagedOOMMemoryPressure=kill', 'ManagedOOMMemoryPressureLimit=10%'],
        ...['ManagedOOMMemoryPressureDurationSec=1s', 'MemoryHigh=80%'],
      ],
    },
    files: { '/etc/systemd/oomd.conf.d/best.conf': '[OOM]\nSwapUsedLimit=50%\n' },
  },
  { name: 'oomscope', command: oomscope('--json'), ready: 'Guarding by', group: UNIT },
  {
    name: 'oomscope-set',
    command: oomscope('--config /lab/best.toml --json'),
    ready: 'Guarding by',
    group: UNIT,
    files: { '/lab/best.toml': OOMSCOPE_BEST },
    here: inCgroup,
  },
];

/**
 * The lines that nohang with settings adds to Debian's nohang-desktop.conf, which uses PSI. The file is made in the
 * guest.
 */
export const NOHANG_BEST = `@BADNESS_ADJ_RE_NAME -1000 /// ${SPARED}`;

/** Downloads and unpacks packages. They are kept between runs. */
export async function unpack(packages: readonly string[], cache: string): Promise<string> {
  const name = packages[0] ?? '';
  const directory = join(cache, `rival-${name}-${SUITE}`);
  if (existsSync(directory)) return directory;
  say(`get ${name} from Debian's ${SUITE}`);
  const work = join(cache, `rival-${name}.new`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, 'debs'), { recursive: true });
  const suite = await Suite.open(SUITE, join(work, 'debs'));
  const root = join(work, 'root');
  for (const file of await suite.download(packages)) execFileSync('dpkg-deb', ['-x', file, root]);
  for (const idle of ['usr/share', 'usr/lib/x86_64-linux-gnu/gconv', 'usr/lib/python3.13/pydoc_data']) {
    rmSync(join(root, idle), { recursive: true, force: true });
  }
  if (name === 'nohang') {
    const config = readFileSync(join(root, 'etc/nohang/nohang-desktop.conf'), 'utf8');
    writeFileSync(join(root, 'etc/nohang/best.conf'), `${config}\n${NOHANG_BEST}\n`);
  }
  renameSync(root, directory);
  rmSync(work, { recursive: true, force: true });
  return directory;
}
