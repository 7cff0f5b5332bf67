/** The kernel lab's command line: see --help. */
import { parseArgs } from 'node:util';
import { SUITES, type SuiteName } from './debian.ts';
import type { LabErrorCode } from './error.ts';
import {
  type Architecture,
  bootGuest,
  type CgroupSetup,
  type GuestOptions,
  type GuestResult,
  kernels,
  LabError,
  lastLines,
  type SwapSetup,
  shellInGuest,
} from './guest.ts';

const USAGE = `usage: npm run lab -- [options] -- COMMAND [WORD...]
       npm run lab -- [options] --shell
       npm run lab -- --list

Boots a Linux kernel in QEMU, runs a command of this project in the guest as root, and returns its output and files.
The kernels are from Debian, and are downloaded when they are first needed. Guests have no network and cannot harm
this machine.

  --kernel NAME         5.10, 6.1, 6.12, 7.2, or the path of a vmlinuz (6.12)
  --arch ARCHITECTURE   x64, arm64 (x64)
  --modules DIR         for a path: its /lib/modules/RELEASE
  --cgroup SETUP        which hierarchy has the memory controller: v1, v2, hybrid (v2)
  --memory SIZE         such as 768M or 2G (1G)
  --cpus N              number of CPUs (2)
  --swap KIND[:SIZE]    none, zram, file; half the memory unless given (none)
  --numa N              NUMA nodes (1)
  --append ARGUMENTS    more kernel arguments
  --system SUITE        Debian bookworm, trixie or sid, with systemd as process 1
  --package NAME        for --system: one more Debian package; may be repeated
  --unit NAME           for --system: start this unit and not multi-user.target; may be repeated
  --disk FILE           for --system: keep the disk in this file for the next guest
  --env NAME=VALUE      environment variable of the command; may be repeated
  --file PATH=SOURCE    one more file for the guest; may be repeated
  --out DIR             directory for the files that the command wrote to /out, with the guest's dmesg and console
  --limit SECONDS       end the guest after this time (120)
  --list                list the kernels, and show which are in the cache
  --shell               open a shell in the guest; the command exit ends it
  --help

Examples:
  npm run lab -- --kernel 5.10 --cgroup v1 -- oomscope doctor
  npm run lab -- --swap zram --memory 512M -- oomscope demo

Exit codes: the exit code of the command; 124 the time limit ended the guest, 125 the kernel panicked, 126 the guest ended
without a result; 2 bad option, 69 a program or kernel is not available, 70 the guest did not boot, 77 this kernel has no
cgroup v1.
`;
const EXIT: Record<LabErrorCode, number> = {
  USAGE: 2,
  NOT_INSTALLED: 69,
  NO_KERNEL: 69,
  BOOT_FAILED: 70,
  NO_CGROUP_V1: 77,
};

const options = {
  kernel: { type: 'string', default: '6.12' },
  arch: { type: 'string', default: 'x64' },
  modules: { type: 'string' },
  cgroup: { type: 'string', default: 'v2' },
  memory: { type: 'string', default: '1G' },
  cpus: { type: 'string', default: '2' },
  swap: { type: 'string', default: 'none' },
  numa: { type: 'string', default: '1' },
  append: { type: 'string' },
  system: { type: 'string' },
  package: { type: 'string', multiple: true, default: [] as string[] },
  unit: { type: 'string', multiple: true, default: [] as string[] },
  disk: { type: 'string' },
  env: { type: 'string', multiple: true, default: [] as string[] },
  file: { type: 'string', multiple: true, default: [] as string[] },
  out: { type: 'string' },
  limit: { type: 'string', default: '120' },
  list: { type: 'boolean' },
  shell: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`${error.detail ? `${error.detail.trimEnd()}\n` : ''}lab: ${error.message}\n`);
  process.exitCode = EXIT[error.code];
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.list) return list(architecture(values.arch));
  const guest = guestOptions(values, positionals);
  if (values.shell) return shellInGuest(guest);
  if (positionals.length === 0) throw new LabError('USAGE', 'Expected a command after --, got none: see --help.');
  const result = await bootGuest({
    ...guest,
    onStdout: (chunk) => process.stdout.write(chunk),
    onStderr: (chunk) => process.stderr.write(chunk),
  });
  summarize(result, guest);
  return result.exitCode;
}

function summarize(result: GuestResult, { cgroup, memoryMib, limitSeconds }: GuestOptions): void {
  const { kernel, exitCode, seconds, bootSeconds, timedOut, panicked } = result;
  if (timedOut || panicked) process.stderr.write(`${lastLines(result)}\n`);
  const end = timedOut
    ? `ended by its limit of ${limitSeconds} s`
    : panicked
      ? 'guest panicked'
      : exitCode === 126
        ? 'guest ended without a result'
        : `exit ${exitCode}`;
  const where = `Linux ${kernel.version}, cgroup ${cgroup}, ${memoryMib} MiB`;
  process.stderr.write(
    `lab: ${where}: ${end} after ${seconds.toFixed(1)} s, of which ${bootSeconds.toFixed(1)} s booting\n`,
  );
}

function list(of: Architecture): number {
  const rows = kernels(of).map(({ name, suite, cached }) => [
    name,
    suite,
    cached?.version ?? 'not here yet',
    cached?.markVictim ? `mark_victim(${cached.markVictim.join(', ')})` : '',
    cached ? `cgroup ${cached.cgroupV1 ? 'v1 and v2' : 'v2'}` : '',
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
  return 0;
}

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new LabError('USAGE', `${(error as Error).message.split(/\.\s|\n/)[0]?.replace(/\.$/, '')}: see --help.`);
  }
}

function guestOptions(values: ReturnType<typeof parse>['values'], command: string[]): GuestOptions {
  const [swap = '', swapSize] = values.swap.split(':');
  return {
    kernel: values.kernel,
    architecture: architecture(values.arch),
    ...(values.modules !== undefined && { modules: values.modules }),
    cgroup: oneOf<CgroupSetup>('cgroup', values.cgroup, ['v1', 'v2', 'hybrid']),
    memoryMib: mebibytes('memory', values.memory),
    cpus: count('cpus', values.cpus),
    swap: oneOf<SwapSetup>('swap', swap, ['none', 'zram', 'file']),
    ...(swapSize !== undefined && { swapMib: mebibytes('swap', swapSize) }),
    numa: count('numa', values.numa),
    ...(values.append !== undefined && { append: values.append }),
    ...(values.system !== undefined && {
      system: {
        suite: oneOf<SuiteName>('system', values.system, SUITES),
        packages: values.package,
        units: values.unit,
        ...(values.disk !== undefined && { disk: values.disk }),
      },
    }),
    environment: pairs('env', values.env),
    files: pairs('file', values.file),
    ...(values.out !== undefined && { outDir: values.out }),
    limitSeconds: count('limit', values.limit),
    command,
  };
}

function architecture(given: string): Architecture {
  return oneOf('arch', given, ['x64', 'arm64']);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === value);
  if (found === undefined) throw new LabError('USAGE', `--${name}: expected ${allowed.join(', ')}, got "${value}".`);
  return found;
}

function mebibytes(name: string, text: string): number {
  const [, digits, unit] = /^(\d+)([MG])$/.exec(text) ?? [];
  if (digits === undefined)
    throw new LabError('USAGE', `--${name}: expected a size such as 512M or 2G, got "${text}".`);
  return Number(digits) * (unit === 'G' ? 1024 : 1);
}

function count(name: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new LabError('USAGE', `--${name}: expected a whole number, got "${text}".`);
  return Number(text);
}

function pairs(name: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (key === undefined || value === undefined) {
        throw new LabError('USAGE', `--${name}: expected NAME=VALUE, got "${text}".`);
      }
      return [key, value];
    }),
  );
}
