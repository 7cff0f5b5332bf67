/** Builds the C programs that oomscope is measured against, into build/bench/, and finds bpftrace. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { say } from './report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCES = join(import.meta.dirname, 'rivals');
const BUILT = join(ROOT, 'build', 'bench');

/** The path of a file below build/. */
export function built(name: string): string {
  return join(ROOT, 'build', name);
}

/** Compiles C programs of rivals/ by name. Returns their paths. */
export function buildRivals<Name extends string>(...names: Name[]): Record<Name, string> {
  mkdirSync(BUILT, { recursive: true });
  const made = names.map((name) => {
    const output = join(BUILT, name);
    const flags = ['-O2', '-Wall', '-Wextra', `-I${join(ROOT, 'bpf')}`];
    execFileSync('cc', [...flags, join(SOURCES, `${name}.c`), '-o', output, '-lbpf'], { stdio: 'inherit' });
    return [name, output];
  });
  return Object.fromEntries(made);
}

/** Compiles the rival BPF program. */
export function buildPlainObject(): string {
  mkdirSync(BUILT, { recursive: true });
  const output = join(BUILT, 'plain.bpf.o');
  const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim();
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v2', `-I/usr/include/${machine}-linux-gnu`];
  execFileSync('clang', [...flags, '-c', join(SOURCES, 'plain.bpf.c'), '-o', output], { stdio: 'inherit' });
  return output;
}

/** Version such as "0.17.0"; undefined if bpftrace is missing and cannot be installed. */
export function bpftraceVersion(): string | undefined {
  const version = () =>
    /v?(\d+\.\d+\.\d+)/.exec(spawnSync('bpftrace', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
  const found = version();
  if (found !== undefined || process.geteuid?.() !== 0) return found;
  say('installing bpftrace, to compare with');
  spawnSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'bpftrace'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return version();
}

/**
 * The bpftrace command that prints pid and CPU of each victim. If tracefs is not mounted, it is mounted in a private
 * mount namespace.
 */
export function bpftraceCommand(): string[] {
  const command = ['bpftrace', '-e', 'tracepoint:oom:mark_victim { printf("%d %d\\n", args->pid, cpu); }'];
  if (existsSync('/sys/kernel/tracing/events') || existsSync('/sys/kernel/debug/tracing/events')) return command;
  return ['unshare', '-m', 'sh', '-c', 'mount -t tracefs tracefs /sys/kernel/tracing && exec "$@"', 'sh', ...command];
}
