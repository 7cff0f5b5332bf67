/** The container image, run by three real runtimes with the capabilities and mounts that the documentation names. It traces its host. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manifest } from '../../scripts/package/package.ts';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { nativeFile } from '../../src/native/files.ts';
import { ended } from '../cli/cli.ts';
import { startContainerd, startDocker, startPodman, unavailable } from '../runtimes/daemon.ts';
import { Built } from './built.ts';

const IMAGE = `oomscope:${manifest.version}`;
/** docs/install.md names the same. */
const CAPABILITIES = ['BPF', 'PERFMON', 'SYS_PTRACE', 'SYSLOG'];
const TRACE = ['trace', '--json', '--count', '1', '--comm', 'hog', '--duration', '60s'];

let built: Built;
beforeAll(() => {
  built = new Built('image');
}, 300_000);
afterAll(() => built?.[Symbol.dispose]());

/** Makes an OOM kill on this machine once the tracer says that it has started. @returns the events that the tracer wrote */
async function traced(child: ReturnType<typeof spawn>): Promise<{ type: string; message: string }[]> {
  const end = ended(child);
  let seen = '';
  child.stdout?.on('data', (text) => {
    seen += text;
  });
  for (let i = 0; !seen.includes('tracer.started') && child.exitCode === null && i < 600; i++) await sleep(100);
  const group = createMemoryGroup({ limitBytes: 32 * 2 ** 20 });
  try {
    const hog = spawn(nativeFile('hog'), ['--cgroup', group.path, '--max', '64M'], { stdio: 'ignore', argv0: 'hog' });
    await once(hog, 'exit');
    const { code, stdout, stderr } = await end;
    if (code !== 0) throw new Error(`expected the tracer to end well, got ${code}: ${stderr}`);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  } finally {
    group.remove();
  }
}

const wanted = { type: 'oom.kill', message: expect.stringContaining('hog') };

describe('the image', () => {
  const docker = unavailable('dockerd', 'docker');
  test.skipIf(docker !== undefined)(`dockerd runs it${docker ? `: ${docker}` : ''}`, async () => {
    const daemon = await startDocker();
    try {
      await daemon.command(['load', '--input', built.file(/image/)]);
      // dockerd 20.10 of Debian 12 knows neither CAP_BPF nor CAP_PERFMON. CAP_SYS_ADMIN includes both.
      const major = Number.parseInt(await daemon.command(['version', '--format', '{{.Server.Version}}']), 10);
      const capabilities = major < 23 ? ['SYS_ADMIN', ...CAPABILITIES.slice(2)] : CAPABILITIES;
      const options = ['--pid', 'host', '--network', 'none', '--security-opt', 'seccomp=unconfined', '--read-only'];
      const words = [
        'run',
        '--rm',
        ...options,
        '--cap-drop',
        'ALL',
        ...capabilities.flatMap((one) => ['--cap-add', one]),
      ];
      const env = { ...process.env, DOCKER_HOST: `unix://${daemon.socket}`, DOCKER_CONTEXT: '' };
      const child = spawn('docker', [...words, IMAGE, ...TRACE], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      expect(await traced(child)).toContainEqual(expect.objectContaining(wanted));
    } finally {
      await daemon.close();
    }
  });

  const podman = unavailable('podman', 'crun');
  test.skipIf(podman !== undefined)(`Podman runs it${podman ? `: ${podman}` : ''}`, async () => {
    const daemon = await startPodman();
    try {
      await daemon.command(['load', '--input', built.file(/image/)]);
      const options = ['--pid', 'host', '--network', 'none', '--security-opt', 'seccomp=unconfined', '--read-only'];
      const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'];
      const capabilities = ['--cap-drop', 'ALL', ...CAPABILITIES.flatMap((one) => ['--cap-add', one])];
      const words = ['--url', `unix://${daemon.socket}`, 'run', '--rm', ...options, ...limits, ...capabilities];
      const child = spawn('podman', [...words, IMAGE, ...TRACE], { stdio: ['ignore', 'pipe', 'pipe'] });
      expect(await traced(child)).toContainEqual(expect.objectContaining(wanted));
    } finally {
      await daemon.close();
    }
  });

  const containerd = unavailable('containerd', 'ctr', 'runc');
  test.skipIf(containerd !== undefined)(`containerd runs it${containerd ? `: ${containerd}` : ''}`, async () => {
    const daemon = await startContainerd(`oomscope-image-${process.pid}`);
    try {
      await daemon.command(['images', 'import', '--snapshotter', 'native', built.file(/image/)]);
      // `ctr run` cannot leave a container in the pid namespace of the host, as the kubelet does for hostPID. The runtime specification can.
      const rootfs = join(daemon.home, 'rootfs');
      mkdirSync(rootfs);
      await daemon.command(['images', 'mount', '--snapshotter', 'native', `docker.io/library/${IMAGE}`, rootfs]);
      const spec = JSON.parse(await daemon.command(['oci', 'spec']));
      spec.root = { path: rootfs, readonly: true };
      spec.process.args = ['/usr/lib/oomscope/bin/node', '/usr/lib/oomscope/scripts/oomscope.cjs', ...TRACE];
      const granted = CAPABILITIES.map((one) => `CAP_${one}`);
      spec.process.capabilities = { bounding: granted, effective: granted, permitted: granted };
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }: { type: string }) => type !== 'pid');
      const file = join(daemon.home, 'spec.json');
      writeFileSync(file, JSON.stringify(spec));
      const child = daemon.ctr(['run', '--rm', '--config', file, 'tracer']);
      expect(await traced(child)).toContainEqual(expect.objectContaining(wanted));
    } finally {
      await daemon.close();
    }
  });
});
