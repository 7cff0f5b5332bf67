/** The bytes with which fuzzing begins: valid input for each target. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KillFact, OomStep } from '../../src/bpf/wire/layout.ts';
import { killRecord, stepRecord } from '../bpf/wire/records.ts';
import { fixture, fixtures, forms, linesOf } from '../explain/corpus.ts';

const ID = 'a1b2c3d4e5f60718'.repeat(4);
const container = {
  ...{ Id: ID, Name: '/web', Names: ['/web'], Image: 'shop:1', State: { Status: 'running', Pid: 7 } },
  ...{ Config: { Image: 'shop:1', Labels: { 'com.docker.compose.project': 'shop' } }, RestartCount: 1 },
  HostConfig: { Memory: 1, MemorySwap: -1, RestartPolicy: { Name: 'no' }, OomScoreAdj: 5 },
};
const event = {
  ...{ Type: 'container', Action: 'die', timeNano: 1e18 },
  Actor: { ID, Attributes: { name: 'web', image: 'shop:1', exitCode: '137', signal: '9' } },
};
const stored = [
  { id: ID, names: ['web'], metadata: '{"image-name":"box:1","pod-id":"p","uid":"u","metadata-name":"m"}' },
];
const task = {
  annotations: { 'io.kubernetes.cri.sandbox-uid': 'u', 'nerdctl/name': 'web' },
  linux: { cgroupsPath: '/a' },
};

/** @returns the seeds of each target */
export function seeds(): Record<string, Buffer[]> {
  const numbers = { facts: KillFact.FACT_TASK, victim_pid: 7, victim_tid: 7 };
  const kill = killRecord({ victimComm: 'hog', numbers });
  const short = fixtures.filter((name) => /v2-(?:memcg|global|trigger)/.test(name)).slice(0, 6);
  return {
    decoder: [kill, Buffer.concat([kill, stepRecord({ pid: 7, step: OomStep.STEP_MM_GONE, ktimeNs: 5n })])],
    log: short.flatMap((name) =>
      Object.values(forms).map((form) => Buffer.from(linesOf(fixture(name)).slice(0, 40).map(form).join('\n'))),
    ),
    config: [readFileSync(join(import.meta.dirname, '../fixtures/config/full.toml'))],
    // The first byte: 0 is a list, 2 a container, 4 an event; 1 more: with a head.
    runtime: [
      `\x00${JSON.stringify([container])}`,
      `\x02${JSON.stringify(container)}`,
      `\x04${JSON.stringify(event)}\n${JSON.stringify({ ...event, Action: 'oom' })}\n`,
      `\x00${JSON.stringify(stored)}`,
      `\x02${JSON.stringify(task)}`,
      `\x03HTTP/1.1 404 No\r\nX: y\r\n\r\n{"message":"no"}`,
      `\x00/docker/${ID}/lxc.payload.x`,
    ].map((text) => Buffer.from(text)),
  };
}

/** Inputs that `npm run prove:fuzz` found, each because it reaches other code than the inputs before it. */
export function saved(target: string): Buffer[] {
  const paths = globSync(join(import.meta.dirname, '../fixtures/fuzz', target, '*'));
  return paths.sort().map((path) => readFileSync(path));
}
