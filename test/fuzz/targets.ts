/**
 * The readers of bytes that another program or user chose. Each target reads any bytes, and throws only if a reader
 * broke its promise. `npm run prove:fuzz` searches for such bytes, guided by the code that they reach.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Batch } from '../../src/bpf/wire/batch.ts';
import { parseConfig } from '../../src/config/config.ts';
import { writeConfig } from '../../src/config/write.ts';
import { containerCgroup, containersIn, ownerOf } from '../../src/containers/container-path.ts';
import { ContainerRuntimeApi } from '../../src/containers/container-runtime.ts';
import { parseTask } from '../../src/containers/node-files.ts';
import { parseStored } from '../../src/containers/podman-storage.ts';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import { OrderedOutbox } from '../../src/events/ordered-outbox.ts';
import { toOtherKill } from '../../src/explain/other-kill.ts';
import { renderReport } from '../../src/explain/render/text.ts';
import { toReport } from '../../src/explain/report.ts';
import { Scan } from '../../src/explain/scan.ts';
import { OomscopeError } from '../../src/model/error.ts';
import type { Event, SystemState } from '../../src/model/events.ts';
import { plain } from '../../src/render/paint.ts';
import { KillDecoder } from '../../src/tracer/kill-decoder.ts';

export type Target = (bytes: Buffer) => void | Promise<void>;

function mustBePlain(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not occur
  const found = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.exec(text);
  if (found) throw new Error(`a control character reached the text: ${JSON.stringify(text.slice(0, 500))}`);
}

/** Records from the ring buffer. */
function decoder(bytes: Buffer): void {
  const events: Event[] = [];
  const outbox = new OrderedOutbox<Event>((event) => events.push(event));
  const kills = new KillDecoder({
    machine: { pageBytes: 4096, cpus: 1, gfp: {} },
    system: {
      read: () => ({ psi: null, meminfo: null, loadavg: null }) as unknown as SystemState,
      composition: () => undefined,
    },
    envelopes: new EnvelopeFactory(),
    readProc: false,
    outbox,
    onError: (error) => {
      throw error;
    },
  });
  const aligned = new Uint8Array(bytes);
  const batch = new Batch(aligned.buffer);
  batch.walk((kind, at) => kills.take(kind, at, batch));
  outbox.flush();
  kills.close();
  for (const event of events) {
    JSON.parse(JSON.stringify(event));
    mustBePlain(event.message);
  }
}

/** A kernel log. */
function log(bytes: Buffer): void {
  const context = { input: 'fuzz', machine: undefined, clock: undefined, lines: true };
  let reports = 0;
  const scan = new Scan(
    (open) => {
      const report = toReport(open, context, reports++);
      JSON.parse(JSON.stringify(report));
      mustBePlain(renderReport(report, plain, 100));
    },
    (kill, from) => mustBePlain(toOtherKill(kill, from, context, 0).message),
  );
  const half = bytes.length >> 1; // a chunk may end anywhere
  scan.push(bytes.subarray(0, half));
  scan.push(bytes.subarray(half));
  scan.end();
}

/** A configuration file. */
async function config(bytes: Buffer): Promise<void> {
  try {
    const read = await parseConfig(bytes.toString(), 'fuzz.toml');
    await parseConfig(writeConfig(read), 'again.toml');
  } catch (error) {
    if (!(error instanceof OomscopeError) || error.code !== 'CONFIG') throw error;
    if (error.message.includes('again.toml')) throw new Error(`what was written cannot be read: ${error.message}`);
    mustBePlain(error.message);
  }
}

let answer: Buffer = Buffer.alloc(0);
let served: Promise<ContainerRuntimeApi> | undefined;

/** A runtime whose socket answers every request, except the first, with the bytes. */
async function serve(): Promise<ContainerRuntimeApi> {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-fuzz-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'docker.sock');
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (head) => {
        socket.end(head.includes('/version') ? 'HTTP/1.0 200 OK\r\n\r\n{}' : answer);
      });
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return ContainerRuntimeApi.open(path);
}

const requests = [
  (api: ContainerRuntimeApi) => api.list(),
  (api: ContainerRuntimeApi) => api.inspect('x'),
  (api: ContainerRuntimeApi) =>
    api.events(0n, new AbortController().signal, (event) => {
      if (event) new Date(Number(event.time_ns / 1_000_000n)).toISOString();
    }),
];

/**
 * Answers and events of a container runtime, and the files of runtimes. The first byte says which request gets the
 * answer, and whether the bytes are only its body.
 */
async function runtime(bytes: Buffer): Promise<void> {
  const [how = 0] = bytes;
  const body = bytes.subarray(1);
  const text = body.toString();
  for (const { container } of parseStored(text)) JSON.stringify(container);
  parseTask(text, 'id');
  containersIn(text);
  containerCgroup(text, ownerOf(text).container?.id ?? '');
  answer = how & 1 ? body : Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), body]);
  served ??= serve();
  try {
    JSON.stringify(await requests[(how >> 1) % requests.length]?.(await served));
  } catch (error) {
    // The answer may be refused, but not by a fault of the program.
    if (error instanceof TypeError || error instanceof RangeError) throw error;
  }
}

export const targets: Record<string, Target> = { decoder, log, config, runtime };
