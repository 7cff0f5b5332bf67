/**
 * Container runtimes for the tests: a real dockerd, a real Podman service and a real containerd, each with its state in a folder of its own. They end,
 * with their containers, when the test or this process ends.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ContainerRuntimeApi } from '../../src/containers/container-runtime.ts';
import { ended } from '../cli/cli.ts';

export interface Daemon {
  socket: string;
  /** The folder that holds its state. */
  home: string;
  /** Runs the runtime's own command and resolves with its output. Rejects when it fails, unless `mayFail`. */
  command(words: readonly string[], mayFail?: boolean): Promise<string>;
  /** Ends the daemon, its containers and their cgroups, and removes its folder. */
  close(): Promise<void>;
}

const START_MS = 30_000;
const IMAGE = 'box:1';

/** Why no daemon can be started here; undefined when one can. */
export function unavailable(...programs: string[]): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  const missing = programs.filter((name) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status !== 0);
  return missing.length > 0 ? `needs ${missing.join(' and ')}: see scripts/test-packages` : undefined;
}

export async function startDocker(): Promise<Daemon> {
  const home = mkdtempSync(join(tmpdir(), 'oomscope-docker-'));
  const socket = join(home, 'docker.sock');
  const child = start(home, [
    'dockerd',
    ...['--data-root', join(home, 'data'), '--exec-root', join(home, 'exec'), '--pidfile', join(home, 'pid')],
    ...['--host', `unix://${socket}`, '--storage-driver', 'vfs', '--bridge', 'none', '--iptables=false'],
    ...['--ip6tables=false', '--log-level', 'warn'],
  ]);
  const environment = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONTEXT: '' };
  const run = (words: readonly string[]) => spawn('docker', words, { env: environment });
  return ready(child, home, socket, run, ['docker']);
}

/** Podman's API service with crun. crun refuses hybrid cgroups, so there it does not see their v2 part. */
export async function startPodman(): Promise<Daemon> {
  const home = mkdtempSync(join(tmpdir(), 'oomscope-podman-'));
  const socket = join(home, 'podman.sock');
  const podman = [
    'podman',
    ...['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--tmpdir', join(home, 'tmp')],
    ...['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--runtime', 'crun', '--events-backend', 'file'],
    ...['system', 'service', '--time', '0', `unix://${socket}`],
  ];
  const hidden = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';
  const child = start(home, ['unshare', '-m', '--propagation', 'private', 'sh', '-c', hidden, 'sh', ...podman]);
  const run = (words: readonly string[]) => spawn('podman', ['--url', `unix://${socket}`, ...words]);
  return ready(child, home, socket, run, ['libpod_parent/conmon', 'libpod_parent'], ['--time', '0']);
}

/** A containerd without its Kubernetes plugin, and `ctr` for it in a namespace of its own. */
export interface Containerd extends Pick<Daemon, 'home' | 'command' | 'close'> {
  /** Starts `ctr` with its output in pipes. */
  ctr(words: readonly string[]): ChildProcess;
}

export async function startContainerd(namespace: string): Promise<Containerd> {
  const home = mkdtempSync(join(tmpdir(), 'oomscope-containerd-'));
  const state = join(home, 'run/containerd');
  mkdirSync(state, { recursive: true });
  const address = join(state, 'containerd.sock');
  const config = join(home, 'config.toml');
  writeFileSync(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
  const words = ['--config', config, '--root', join(home, 'root'), '--state', state, '--address', address];
  const child = start(home, ['containerd', ...words]);
  const log = logOf(child);
  const ctr = (words: readonly string[]) =>
    spawn('ctr', ['--address', address, '--namespace', namespace, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const command = commandOf(ctr, log);
  const daemon = { home, ctr, command, close: () => close(child, home, [namespace]) };
  try {
    for (const end = performance.now() + START_MS; (await ended(ctr(['version']))).code !== 0; await sleep(100)) {
      if (child.exitCode !== null) throw new Error(`containerd ended with ${child.exitCode}: ${log()}`);
      if (performance.now() > end) throw new Error(`containerd did not answer: ${log()}`);
    }
    return daemon;
  } catch (error) {
    await daemon.close();
    throw error;
  }
}

/** The options of `docker run` and `podman run` for a container of the test's image, which holds only busybox. */
export function runOptions(
  daemon: Daemon,
  name: string,
  options: readonly string[],
  command: readonly string[],
): string[] {
  // Keep the limits as they are: to raise them, Podman would need CAP_SYS_RESOURCE.
  const podman = daemon.socket.endsWith('podman.sock')
    ? ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096']
    : [];
  return ['run', '--network', 'none', '--name', name, ...podman, ...options, IMAGE, ...command];
}

function start(home: string, words: readonly string[]): ChildProcess {
  // If this process is killed, the daemons get SIGTERM, and dockerd ends its containers.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...words], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = () => void child.kill('SIGTERM');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  return child;
}

async function ready(
  child: ChildProcess,
  home: string,
  socket: string,
  run: (words: readonly string[]) => ChildProcess,
  leftovers: readonly string[],
  quick: readonly string[] = [],
): Promise<Daemon> {
  const log = logOf(child);
  const command = commandOf(run, log);
  const daemon = {
    socket,
    home,
    command,
    async close() {
      const ids = (await command(['ps', '--all', '--quiet'], true)).split('\n').filter(Boolean);
      if (ids.length > 0) await command(['rm', '--force', ...quick, ...ids], true);
      await close(child, home, leftovers);
    },
  };
  try {
    for (const end = performance.now() + START_MS; ; await sleep(50)) {
      if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}: ${log()}`);
      const answer = await ContainerRuntimeApi.open(socket).catch((error: Error) => error);
      if (!(answer instanceof Error)) break;
      if (performance.now() > end) throw new Error(`the daemon did not answer: ${answer.message}\n${log()}`);
    }
    await importImage(home, command);
    return daemon;
  } catch (error) {
    await daemon.close();
    throw error;
  }
}

/** What a daemon has written to stdout and stderr until now. */
function logOf(child: ChildProcess): () => string {
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  return () => log;
}

function commandOf(run: (words: readonly string[]) => ChildProcess, log: () => string): Daemon['command'] {
  return async (words, mayFail = false) => {
    const { code, stdout, stderr } = await ended(run(words));
    if (code !== 0 && !mayFail) throw new Error(`${words.join(' ')}: exit ${code}: ${stderr}\n${log()}`);
    return stdout.trim();
  };
}

/** Ends a daemon, and removes its mounts, its directory and the parent groups of its containers. */
async function close(child: ChildProcess, home: string, leftovers: readonly string[]): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  for (const mount of mountsBelow(home)) spawnSync('umount', ['-l', mount]);
  // Programs that clean up after a container may still write.
  rmSync(home, { recursive: true, force: true, maxRetries: 20 });
  removeGroups(leftovers);
}

/** An image of busybox with the few applets that the tests run. */
async function importImage(home: string, command: Daemon['command']): Promise<void> {
  const root = join(home, 'image');
  mkdirSync(join(root, 'bin'), { recursive: true });
  const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
  copyFileSync(busybox, join(root, 'bin', 'busybox'));
  for (const name of ['sh', 'sleep', 'tail', 'dd']) symlinkSync('busybox', join(root, 'bin', name));
  execFileSync('tar', ['-C', root, '-cf', join(home, 'image.tar'), '.']);
  await command(['import', join(home, 'image.tar'), IMAGE]);
}

/** Removes the empty parent groups that a runtime leaves behind in each hierarchy. */
export function removeGroups(paths: readonly string[]): void {
  for (const hierarchy of ['', ...readdirSync('/sys/fs/cgroup')]) {
    for (const path of paths) {
      try {
        rmdirSync(join('/sys/fs/cgroup', hierarchy, path));
      } catch {
        // it does not exist, or holds containers of another runtime
      }
    }
  }
}

function mountsBelow(home: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return mounts.filter((mount) => mount.startsWith(`${home}/`)).reverse();
}
