/**
 * Makes the guest's root file system: busybox, /init, the kernel modules, a copy of this project, settings and
 * command.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cpio } from './cpio.ts';
import type { Module } from './modules.ts';
import { GUEST_ADDRESS } from './options.ts';
import type { Platform } from './platform.ts';
import { tools } from './tools.ts';
import type { Userland } from './userland.ts';

/** The project's files that a guest gets below /oomscope. */
const PROJECT = ['package.json', 'dist', 'src', 'scripts', 'test', 'bpf'];

export interface Settings {
  cgroup: 'v1' | 'v2' | 'hybrid';
  swap: 'none' | 'zram' | 'file';
  swapMib: number;
  shell: boolean;
  network: boolean;
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** For each path in the guest, the file or directory of this machine that is copied to it. */
  files: Readonly<Record<string, string>>;
  /** Whether systemd of a Debian is process 1, and then whether its disk is used again. attached: the disk is only mounted. */
  system: 'none' | 'once' | 'kept' | 'attached';
  /** With systemd: what it starts in place of multi-user.target. Empty: nothing replaces it. */
  units: readonly string[];
}

export function initramfs(
  { busybox, file }: Userland,
  { libraryLinks }: Platform,
  modules: readonly Module[],
  settings: Settings,
): Buffer {
  const cpio = new Cpio();
  for (const path of ['proc', 'sys', 'dev', 'run', 'tmp', 'out', 'root', 'runtime', 'scratch', 'system'])
    cpio.directory(`/${path}`);
  cpio.file('/bin/busybox', readFileSync(busybox), { executable: true });
  for (const applet of applets()) {
    if (applet !== 'busybox') cpio.link(`/bin/${applet}`, 'busybox');
  }
  const oomscope = '#!/bin/sh\nexec node /oomscope/dist/cli/main.js "$@"\n';
  cpio.file('/bin/oomscope', oomscope, { executable: true });
  cpio.file('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n');
  cpio.file('/etc/group', 'root:x:0:\nnogroup:x:65534:\n').file('/etc/hosts', '127.0.0.1 localhost lab\n');
  cpio.link('/var/tmp', '/scratch/tmp');
  for (const [path, target] of Object.entries(libraryLinks)) cpio.link(path, target);

  for (const path of [...PROJECT, ...builtFiles()])
    if (existsSync(file(path))) cpio.copy(`/oomscope/${path}`, file(path));
  cpio.link('/oomscope/node_modules', '/runtime/node_modules').link('/oomscope/build/node', '/runtime');
  const { cgroup, swap, swapMib, shell, system, units } = settings;
  // A system on a disk gets its files later: see system-init.sh.
  const startsSystem = system === 'once' || system === 'kept';
  const files = startsSystem ? '/lab/files' : '';
  for (const [path, source] of Object.entries(settings.files)) cpio.copy(`${files}${path}`, source);

  cpio.file('/init', readFileSync(join(import.meta.dirname, 'init.sh')), { executable: true });
  for (const name of ['run-command.sh', 'system-init.sh', 'system-command.sh'])
    cpio.file(`/lab/${name}`, readFileSync(join(import.meta.dirname, name)));
  modules.forEach(({ name, data }, i) => {
    cpio.file(`/lab/modules/${String(i).padStart(2, '0')}-${name}.ko`, data);
  });
  const given = { shell, system: startsSystem, keep: system === 'kept', attached: system === 'attached' };
  const flags = Object.entries(given).map(([name, is]) => `${name}=${is ? 1 : 0}`);
  const address = settings.network ? GUEST_ADDRESS : '';
  const started = `units=${quote(units.join(' '))}`;
  const words = [`cgroup=${cgroup}`, `swap=${swap}`, `swap_mib=${swapMib}`, `address=${address}`, started, ...flags];
  cpio.file(
    '/lab/settings',
    `${words.join(' ')}
`,
  );
  const exports = Object.entries(settings.environment).map(([name, value]) => `export ${name}=${quote(value)}\n`);
  // lab.service is spared by the OOM killer, and the command inherits that.
  if (startsSystem) exports.push('echo 0 >/proc/self/oom_score_adj\n');
  cpio.file('/lab/command', `${exports.join('')}exec ${settings.command.map(quote).join(' ')}\n`);
  return cpio.end();
}

/** The BPF objects, the addon and the test programs that were built on this machine. */
function builtFiles(): string[] {
  const names = readdirSync(join(import.meta.dirname, '../../build'), { withFileTypes: true });
  const wanted = names.filter((entry) => entry.isFile() && /^[a-z_-]+(\.bpf\.o|\.node|\.cjs)?$/.test(entry.name));
  return wanted.map(({ name }) => `build/${name}`);
}

/**
 * The applets of this machine's busybox. The guest's busybox may be of another architecture and then cannot run here.
 */
function applets(): string[] {
  return execFileSync(tools().busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
}

/** Quotes a word for a POSIX shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
