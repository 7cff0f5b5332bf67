/**
 * Publishers in processes of their own, a real server, and a reader in a process of its own. The server is killed, the
 * network is cut, publishers and the reader are killed; then it is counted what the reader got.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setUp } from '../../../src/fleet/setup.ts';
import { connect } from '../../../src/nats/connect.ts';
import { loadNats } from '../../../src/nats/load.ts';
import { STREAM } from '../../../src/nats/names.ts';
import { RealNats, TcpProxy } from '../../publish/real-nats.ts';

export interface ChaosOptions {
  publishers: number;
  /** Events of each publisher. */
  events: number;
  /** Events that each publisher makes in a second. */
  perSecond: number;
  serverKills: number;
  cuts: number;
  publisherKills: number;
  readerKills: number;
  /** Number of servers, which form a cluster. Default 1. */
  servers?: number;
  /** Give up after this time. */
  limitMs: number;
}

export interface ChaosResult {
  generated: number;
  received: number;
  /** Ids that the reader got more than once. */
  repeated: number;
  /** Events that came after a later one of their node. */
  disordered: number;
  /** Events that were neither acknowledged nor in the spool when their publisher was killed. */
  lostWithPublisher: number;
  /** Events that the publishers counted as dropped: their spool was full, or the server refused them. */
  dropped: number;
  /** Events that are missing for any other reason. */
  missing: string[];
  /** Counts of the last reader process. */
  reader: Record<string, number>;
  seconds: number;
}

const NODE = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
const here = (name: string) => join(import.meta.dirname, name);

interface Node {
  name: string;
  spool: string;
  file: string;
  child: ChildProcess | undefined;
  isDone: boolean;
  /** Numbers that were generated but not on disk when the process was killed. */
  atRisk: Set<number>;
}

export async function chaos(options: ChaosOptions, tell: (text: string) => void = () => {}): Promise<ChaosResult> {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-chaos-'));
  const children = new Set<ChildProcess>();
  const { servers: count = 1 } = options;
  await using stack = new AsyncDisposableStack();
  const servers = count === 1 ? [await RealNats.start()] : await RealNats.cluster(count);
  for (const server of servers) stack.use(server);
  await using proxy = await TcpProxy.before((servers[0] as RealNats).port);
  const began = performance.now();
  try {
    await setUpAll(servers, options);
    const run = new Run(directory, children, options, servers, proxy, tell);
    return { ...(await run.all()), seconds: Math.round((performance.now() - began) / 1000) };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A new cluster needs some seconds until it has a leader. */
async function setUpAll(servers: readonly RealNats[], { events, limitMs }: ChaosOptions): Promise<void> {
  const until = performance.now() + limitMs;
  for (;;) {
    const admin = await connect({ servers: servers.map(({ url }) => url) }, 'chaos');
    try {
      await setUp(admin, { perSubject: events * 2, replicas: servers.length });
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(500);
    } finally {
      await admin.close();
    }
  }
}

class Run {
  readonly #directory: string;
  readonly #children: Set<ChildProcess>;
  readonly #options: ChaosOptions;
  readonly #servers: readonly RealNats[];
  readonly #urls: string;
  #nextKill = 0;
  #dropped = 0;
  readonly #proxy: TcpProxy;
  readonly #tell: (text: string) => void;
  readonly #nodes: Node[] = [];
  readonly #output: string;
  #reader: ChildProcess | undefined;

  constructor(
    directory: string,
    children: Set<ChildProcess>,
    options: ChaosOptions,
    servers: readonly RealNats[],
    proxy: TcpProxy,
    tell: (text: string) => void,
  ) {
    this.#directory = directory;
    this.#children = children;
    this.#options = options;
    this.#servers = servers;
    this.#urls = servers.map(({ url }) => url).join(',');
    this.#proxy = proxy;
    this.#tell = tell;
    this.#output = join(directory, 'received');
  }

  async all(): Promise<Omit<ChaosResult, 'seconds'>> {
    const { publishers, events, limitMs } = this.#options;
    this.#startReader();
    for (let i = 0; i < publishers; i++) this.#addNode(i);
    for (const node of this.#nodes) this.#startPublisher(node, 0);
    const until = performance.now() + limitMs;
    while (this.#nodes.some((node) => lastOf(node) < 0) && performance.now() < until) await sleep(50);
    for (const step of this.#steps()) {
      if (this.#nodes.every(({ isDone }) => isDone)) break;
      await step();
    }
    while (this.#nodes.some(({ isDone }) => !isDone) && performance.now() < until) await sleep(100);
    this.#tell('all publishers are done');
    const expected = publishers * events;
    let before = -1;
    // Waits until the reader has everything, or until nothing has come for twenty seconds.
    for (let quiet = 0; quiet < 80 && performance.now() < until; quiet++) {
      const size = statSync(this.#output, { throwIfNoEntry: false })?.size ?? 0;
      if (size !== before) quiet = 0;
      else if (this.#received().length >= expected) break;
      before = size;
      await sleep(250);
    }
    this.#tell('the reader has everything that comes');
    const reader = await this.#endReader();
    return this.#judge(reader);
  }

  /** What happens meanwhile, mixed, with pauses between. */
  *#steps(): Generator<() => Promise<void>> {
    const { serverKills, cuts, publisherKills, readerKills, events, perSecond } = this.#options;
    const list: (() => Promise<void>)[] = [];
    const add = (count: number, step: (i: number) => Promise<void>) => {
      for (let i = 0; i < count; i++)
        list.splice(Math.floor(((i + 0.5) / count) * (list.length + 1)), 0, () => step(i));
    };
    add(publisherKills, (i) => this.#killPublisher(i));
    add(readerKills, () => this.#killReader());
    add(serverKills, () => this.#killServer());
    add(cuts, () => this.#cut());
    const pauseMs = ((events / perSecond) * 1000) / (list.length + 1);
    for (const step of list) {
      yield () => sleep(pauseMs);
      yield step;
    }
  }

  #addNode(i: number): void {
    const name = `node-${i}`;
    const file = join(this.#directory, `${name}.last`);
    writeFileSync(file, `${'-1'.padStart(11)}\n`);
    mkdirSync(join(this.#directory, 'spools'), { recursive: true });
    const spool = join(this.#directory, 'spools', name);
    this.#nodes.push({ name, spool, file, child: undefined, isDone: false, atRisk: new Set() });
  }

  #startPublisher(node: Node, from: number): void {
    const { events, perSecond } = this.#options;
    // every other node is behind the proxy; its client does not ask for the other servers
    const url = Number(node.name.slice(5)) % 2 === 0 ? this.#proxy.url : this.#urls;
    const words = [url, node.spool, node.name, from, events, perSecond, node.file].map(String);
    const child = this.#spawn('publisher.ts', words);
    node.child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#dropped += Number(/"dropped":(\d+)/.exec(String(chunk))?.[1] ?? 0);
    });
    child.once('exit', (code) => {
      if (node.child === child) node.isDone = code === 0;
    });
  }

  #startReader(): void {
    this.#reader = this.#spawn('reader.ts', [this.#urls, this.#output]);
  }

  #spawn(script: string, words: string[]): ChildProcess {
    const child = spawn(process.execPath, [...NODE, here(script), ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async #killServer(): Promise<void> {
    const leader = this.#servers.length > 1 ? await leaderOf(this.#servers, this.#nextKill++) : 0;
    this.#tell(`kill the server ${leader}`);
    const server = this.#servers[leader] as RealNats;
    await server.down();
    await sleep(1000);
    await server.up();
  }

  async #cut(): Promise<void> {
    this.#tell('cut the network');
    this.#proxy.cut();
    await sleep(1000);
    this.#proxy.mend();
  }

  async #killReader(): Promise<void> {
    this.#tell('kill the reader');
    await killed(this.#reader);
    this.#startReader();
  }

  async #killPublisher(i: number): Promise<void> {
    const node = this.#nodes[(i * 7) % this.#nodes.length] as Node;
    if (node.isDone || !node.child) return;
    this.#tell(`kill ${node.name}`);
    const { child } = node;
    node.child = undefined;
    await killed(child);
    const last = lastOf(node);
    const onDisk = spooled(node.spool);
    // An event that is far back is in the stream: it left the queue when it was acknowledged.
    for (let number = Math.max(0, last - 5000); number <= last; number++)
      if (!onDisk.has(number)) node.atRisk.add(number);
    this.#startPublisher(node, last + 1);
  }

  async #endReader(): Promise<Record<string, number>> {
    const reader = this.#reader as ChildProcess;
    let text = '';
    reader.stdout?.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    const gone = new Promise((resolve) => reader.once('close', resolve));
    reader.kill('SIGTERM');
    await gone;
    return JSON.parse(text || '{}');
  }

  #received(): string[] {
    try {
      const text = readFileSync(this.#output, 'utf8');
      return text
        .slice(0, text.lastIndexOf('\n'))
        .split('\n')
        .flatMap((line) => (line.startsWith('E') ? [line.slice(1)] : []));
    } catch {
      return [];
    }
  }

  #judge(reader: Record<string, number>): Omit<ChaosResult, 'seconds'> {
    const received = this.#received();
    const seen = new Set<string>();
    const lastOfNode = new Map<string, number>();
    let repeated = 0;
    let disordered = 0;
    for (const id of received) {
      if (seen.has(id)) repeated++;
      seen.add(id);
      const [node = '', number = ''] = id.split(':');
      if (Number(number) < (lastOfNode.get(node) ?? -1)) disordered++;
      lastOfNode.set(node, Number(number));
    }
    let generated = 0;
    let lostWithPublisher = 0;
    const missing: string[] = [];
    for (const node of this.#nodes) {
      const last = lastOf(node);
      generated += last + 1;
      for (let number = 0; number <= last; number++) {
        const id = `${node.name}:${number}`;
        if (seen.has(id)) continue;
        if (node.atRisk.has(number)) lostWithPublisher++;
        else missing.push(id);
      }
    }
    const dropped = this.#dropped;
    return { generated, received: received.length, repeated, disordered, lostWithPublisher, dropped, missing, reader };
  }
}

/** The server that leads the stream, which takes every event and gives it to the others. @param turn to ask another server */
async function leaderOf(servers: readonly RealNats[], turn: number): Promise<number> {
  const { jetstreamManager } = await loadNats();
  for (let tries = turn; ; tries++) {
    const { url } = servers[tries % servers.length] as RealNats;
    try {
      const connection = await connect({ servers: [url] }, 'chaos');
      const leader = await jetstreamManager(connection)
        .then((manager) => manager.streams.info(STREAM))
        .then(({ cluster }) => cluster?.leader)
        .finally(() => connection.close());
      if (leader !== undefined && leader !== '') return Number(leader.slice(1));
    } catch {} // no leader at this moment
    await sleep(200);
  }
}

const lastOf = ({ file }: Node) => Number(readFileSync(file, 'utf8').split('\n')[0]);

/** The numbers of the events in a spool. */
function spooled(spool: string): Set<number> {
  const numbers = new Set<number>();
  if (!existsSync(spool)) return numbers;
  for (const name of readdirSync(spool)) {
    if (!/^\d{12}(\+\d+)?\.json$/.test(name)) continue;
    for (const item of readFileSync(join(spool, name), 'utf8').split('\x1e'))
      numbers.add(Number(String(JSON.parse(item.slice(0, item.indexOf('\n'))).id).split(':')[1]));
  }
  return numbers;
}

async function killed(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
