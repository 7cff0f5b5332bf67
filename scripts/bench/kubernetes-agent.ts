/** The memory of `oomscope run` as the agent of a node, by the number of pods on the node, at a real kube-apiserver. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { manifest } from '../../src/kubernetes/manifest.ts';
import { writeYamlStream } from '../../src/kubernetes/yaml-write.ts';
import { ApiServer } from '../../test/kubernetes/apiserver.ts';
import { podObject } from '../../test/kubernetes/kills.ts';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');
const SETTLE_MS = 5000;
const server = await ApiServer.start();

/** @returns resident memory (MB) when the agent has read its pods and has settled */
async function residentMb(kubernetes: string): Promise<number> {
  const file = join(server.directory, 'run.toml');
  writeFileSync(file, `[pressure]\nenabled = false\n${kubernetes}`);
  const child = spawn(process.execPath, [MAIN, 'run', '--config', file, '--json'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    const isReady = kubernetes === '' ? 'Running with' : 'pods on the node';
    await new Promise<void>((resolve, reject) => {
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes(isReady) && said.includes('Running with')) resolve();
      });
      child.once('exit', () => reject(new Error(said)));
    });
    await sleep(SETTLE_MS);
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000;
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGTERM');
  }
}

try {
  const all = join(server.directory, 'all.yaml');
  writeFileSync(
    all,
    writeYamlStream(Object.values(manifest({ namespace: 'oomscope', image: 'oomscope:1', events: true }))),
  );
  server.kubectl('apply', '--filename', all);
  await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  const account = await server.kubeconfigOf('oomscope', 'oomscope');
  const section = `[kubernetes]\nnode = "n1"\nkubeconfig = "${account}"\n`;
  const rows: [string, number][] = [['without [kubernetes]', await residentMb('')]];
  let pods = 0;
  for (const count of [0, 110, 250]) {
    for (; pods < count; pods++) await server.create('/api/v1/namespaces/shop/pods', podObject(pods, 'n1'));
    rows.push([`${count} pods`, await residentMb(section)]);
  }
  for (const [what, mb] of rows) process.stdout.write(`${what.padEnd(22)} ${mb.toFixed(1)} MB\n`);
} finally {
  await server[Symbol.asyncDispose]();
}
