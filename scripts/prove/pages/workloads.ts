/** Healthy and short workloads, each for one memory cgroup. */
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const MIB = 2 ** 20;

/** Where a workload runs. */
export interface Place {
  /** The directory of the memory cgroup. */
  group: string;
  /** A directory on a disk, for files. */
  disk: string;
  /** A directory on a tmpfs. */
  tmpfs: string;
}

export interface Workload {
  name: string;
  what: string;
  /** Whether it does its work, so that each page about it is false. */
  healthy: boolean;
  limitBytes: number;
  /** Runs in a guest with cgroup v2 and swap on zram, and may swap. */
  guest?: true;
  /** Runs in a guest, and this is memory.high of the cgroup. */
  highBytes?: number;
  /** The commands that run side by side in the cgroup. */
  commands: (place: Place) => string[][];
}

const program = (name: string) => join(ROOT, 'build', name);

/** A loop of a shell. The arguments are $1 and so on. */
const shell = (script: string, ...args: string[]) => ['sh', '-c', script, 'sh', ...args];

const hog = ({ group }: Place, ...args: string[]) => [program('hog'), '--cgroup', group, ...args];
const thrash = ({ group, disk }: Place, ...args: string[]) => [
  ...[program('thrash'), '--cgroup', group, '--dir', disk, '--seconds', '100000'],
  ...args,
];

/** A heap of 120 MiB that lives, and garbage. */
const HEAP = `const live = []; for (let i = 0; i < 120; i++) live.push(Array.from({ length: 32768 }, (_, n) => ({ n: n + i })).map(String));
let at = 0; setInterval(() => { for (let i = 0; i < 4; i++) live[at++ % live.length] = Array.from({ length: 8192 }, (_, n) => ({ n })); }, 10);`;

/** Appends 10 MiB a second to a log, and rotates it at 100 MiB. */
const LOG = `const { appendFileSync, renameSync, statSync } = require('node:fs'); const file = process.argv[1] + '/log';
const lines = 'a line of a log that says what a service does\\n'.repeat(23000);
setInterval(() => { appendFileSync(file, lines); if (statSync(file).size > 100e6) renameSync(file, file + '.1'); }, 100);`;

const CC = [
  '-std=c++20',
  '-O2',
  '-fPIC',
  '-DNAPI_VERSION=8',
  '-Inode_modules/node-addon-api',
  '-Inode_modules/node-api-headers/include',
];

export const workloads: readonly Workload[] = [
  {
    ...{ name: 'dd', what: 'dd writes and reads 1 GiB through the page cache', healthy: true, limitBytes: 512 * MIB },
    commands: ({ disk }) => [
      shell(
        'while :; do dd if=/dev/zero of="$1/f" bs=1M count=1024 conv=notrunc; dd if="$1/f" of=/dev/null bs=1M; done',
        disk,
      ),
    ],
  },
  {
    ...{ name: 'compile', what: 'g++ -O2 over C++ files, one after another', healthy: true, limitBytes: 256 * MIB },
    commands: () => [
      shell(
        'cd "$1"; shift; while :; do for f in native/*.cc; do g++ "$@" -Ibpf -c "$f" -o /dev/null; done; done',
        ROOT,
        ...CC,
      ),
    ],
  },
  {
    ...{
      name: 'reader',
      what: '5,000 random pages a second of a mapped file of 320 MiB',
      healthy: true,
      limitBytes: 256 * MIB,
    },
    commands: (place) => [thrash(place, '--file', '320M', '--random', '--work', '100', '--pause', '20000')],
  },
  {
    ...{
      name: 'heap',
      what: 'a heap of Node near its limit, collected all the time',
      healthy: true,
      limitBytes: 104 * MIB,
    },
    commands: () => [[process.execPath, '--max-old-space-size=170', '-e', HEAP]],
  },
  {
    ...{ name: 'log', what: '10 MiB a second are appended to a log', healthy: true, limitBytes: 96 * MIB },
    commands: ({ disk }) => [[process.execPath, '-e', LOG, disk]],
  },
  {
    ...{ name: 'backup', what: 'tar of /usr/lib and /usr/share into gzip', healthy: true, limitBytes: 128 * MIB },
    commands: ({ disk }) => [
      shell('while :; do tar cf - /usr/lib /usr/share 2>/dev/null | gzip -1 > "$1/backup"; done', disk),
    ],
  },
  {
    ...{ name: 'leak 6', what: 'a leak of 6 MiB/s', healthy: false, limitBytes: 256 * MIB },
    commands: (place) => [hog(place, '--rate', '6M')],
  },
  {
    ...{ name: 'leak 50', what: 'a leak of 50 MiB/s', healthy: false, limitBytes: 256 * MIB },
    commands: (place) => [hog(place, '--rate', '50M')],
  },
  {
    ...{ name: 'storm', what: 'ten new processes a second, each keeps 4 MiB', healthy: false, limitBytes: 256 * MIB },
    commands: (place) => [shell('while :; do "$@" & sleep 0.1; done', ...hog(place, '--hold', '4M'))],
  },
  {
    ...{ name: 'tmpfs', what: '20 MiB/s of files in a tmpfs', healthy: false, limitBytes: 256 * MIB },
    commands: ({ tmpfs }) => [
      shell('i=0; while :; do i=$((i+1)); dd if=/dev/zero of="$1/$i" bs=1M count=2; sleep 0.1; done', tmpfs),
    ],
  },
  {
    ...{
      name: 'squeeze',
      what: '232 MiB are held, and from 35 s on two dd write files',
      healthy: false,
      limitBytes: 256 * MIB,
    },
    commands: (place) => [
      hog(place, '--hold', '232M', '--rate', '8M'),
      ...['a', 'b'].map((name) =>
        shell('sleep 35; while :; do dd if=/dev/zero of="$1/$2" bs=1M count=500 conv=notrunc; done', place.disk, name),
      ),
    ],
  },
  {
    ...{ name: 'zram', what: 'in a guest: 160 MiB of memory are written at random, with swap on zram' },
    ...{ healthy: false, limitBytes: 96 * MIB, guest: true },
    commands: (place) => [thrash(place, '--anon', '160M', '--random')],
  },
  {
    ...{ name: 'high', what: 'in a guest: 64 MiB of memory are written at random under memory.high of 48 MiB' },
    ...{ healthy: false, limitBytes: 256 * MIB, guest: true, highBytes: 48 * MIB },
    commands: (place) => [thrash(place, '--anon', '64M', '--random')],
  },
];
