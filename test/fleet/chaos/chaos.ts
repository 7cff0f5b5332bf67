/**
 * Publishers in processes of their own, a real server, and a reader in a process of its own. The server is killed, the
 * network is cut, publishers and the reader are killed; then it is counted what the reader got.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { setUp } from '../../../src/fleet/setup.ts';
import { connect } from '../../../src/nats/connect.ts';
import { loadNats } from '../../../src/nats/load.ts';
import { STREAM } from '../../../src/nats/names.ts';
import { recordings } from '../../../src/testing/recordings.ts';
import { ROOT } from '../../cli/cli.ts';
import { RealNats, TcpProxy } from '../../publish/real-nats.ts';
import { type Judgement, judge, lastIn, type Node, seeKill } from './judge.ts';
import type { PublisherWords } from './publisher.ts';
import type { Stored } from './reader.ts';

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
  /** How long the reader waits for an event that is missing. */
  waitMs: number;
  /** Give up after this time. */
  limitMs: number;
}

/** What was broken: a publisher that is done, for example, cannot be killed. */
export type Broken = Record<'serverKills' | 'cuts' | 'publisherKills' | 'readerKills', number>;

export interface ChaosResult extends Judgement {
  broken: Broken;
  /** Events that the publishers counted as dropped: their spool was full, or the server refused them. */
  dropped: number;
  /** Counts of the last reader process. */
  reader: Record<string, number>;
  seconds: number;
}

/** More publishers than this run at a lower priority, which leaves CPU time to the servers. */
const CROWD = 20;
const STEP_MS = 250;
/** If nothing has come for this time more than the reader waits for an event, nothing will come. */
const QUIET_MS = 20_000;
/** Publishers that may be starting at a time. */
const TOGETHER = 10;
const NODE = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
const here = (name: string) => join(import.meta.dirname, name);

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
  readonly #broken: Broken = { serverKills: 0, cuts: 0, publisherKills: 0, readerKills: 0 };
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
    mkdirSync(join(directory, 'spools'));
    const source = readFileSync(here('publisher.ts'), 'utf8');
    writeFileSync(join(directory, 'publisher.mjs'), stripTypeScriptTypes(source));
    writeFileSync(join(directory, 'samples.json'), JSON.stringify(Object.values(recordings).flat()));
  }

  async all(): Promise<Omit<ChaosResult, 'seconds'>> {
    const { publishers, events, limitMs, waitMs } = this.#options;
    this.#startReader();
    for (let i = 0; i < publishers; i++) this.#addNode(i);
    const until = performance.now() + limitMs;
    for (const [i, node] of this.#nodes.entries()) {
      this.#startPublisher(node, 0);
      // A hundred processes that start at the same moment need the CPUs for a minute.
      const begun = this.#nodes.slice(0, Math.max(0, i + 1 - TOGETHER));
      while (begun.some(({ last }) => lastIn(last) < 0) && performance.now() < until) await sleep(50);
    }
    const steps = this.#steps();
    for (const [i, step] of steps.entries()) {
      // The breaks are spread over the events, whatever the machine needs for them.
      const share = ((i + 1) / (steps.length + 1)) * publishers * events;
      const made = () => this.#nodes.reduce((sum, { last }) => sum + lastIn(last) + 1, 0);
      while (made() < share && performance.now() < until) await sleep(100);
      await step();
    }
    while (this.#nodes.some(({ isDone }) => !isDone) && performance.now() < until) await sleep(100);
    this.#tell('all publishers are done');
    const expected = publishers * events;
    let before = -1;
    // Waits until the reader has everything. What a killed publisher has lost does not come, however long the reader waits.
    const longest = waitMs + QUIET_MS;
    for (let quietMs = 0; quietMs < longest && performance.now() < until; quietMs += STEP_MS) {
      const size = statSync(this.#output, { throwIfNoEntry: false })?.size ?? 0;
      if (size !== before) quietMs = 0;
      else if (quietMs % (8 * STEP_MS) === 0) {
        const { received, missing } = judge(this.#nodes, this.#received(), 0);
        if (received >= expected || (missing.length === 0 && quietMs > waitMs)) break;
      }
      before = size;
      await sleep(STEP_MS);
    }
    this.#tell('the reader has everything that comes');
    const reader = await this.#endReader();
    const { gaps } = JSON.parse(readFileSync(`${this.#output}.state`, 'utf8')) as Stored;
    return { ...judge(this.#nodes, this.#received(), gaps), broken: this.#broken, dropped: this.#dropped, reader };
  }

  /** What breaks, mixed. */
  #steps(): (() => Promise<void>)[] {
    const { serverKills, cuts, publisherKills, readerKills } = this.#options;
    const list: (() => Promise<void>)[] = [];
    const add = (count: number, step: (i: number) => Promise<void>) => {
      for (let i = 0; i < count; i++)
        list.splice(Math.floor(((i + 0.5) / count) * (list.length + 1)), 0, () => step(i));
    };
    add(publisherKills, (i) => this.#killPublisher(i));
    add(readerKills, () => this.#killReader());
    add(serverKills, () => this.#killServer());
    add(cuts, () => this.#cut());
    return list;
  }

  #addNode(i: number): void {
    const name = `node-${i}`;
    const at = (end: string) => join(this.#directory, `${name}.${end}`);
    const node: Node = {
      ...{ name, spool: join(this.#directory, 'spools', name), last: at('last'), acknowledged: at('acknowledged') },
      ...{ child: undefined, isDone: false, from: 0, atRisk: new Set() },
    };
    writeFileSync(node.last, `${'-1'.padStart(11)}\n`);
    writeFileSync(node.acknowledged, '');
    this.#nodes.push(node);
  }

  #startPublisher(node: Node, from: number): void {
    const { publishers, events, perSecond } = this.#options;
    const { name, spool, last, acknowledged } = node;
    const words: PublisherWords = {
      modules: pathToFileURL(join(ROOT, 'dist/')).href,
      samples: join(this.#directory, 'samples.json'),
      // every other node is behind the proxy; its client does not ask for the other servers
      servers: Number(name.slice(5)) % 2 === 0 ? [this.#proxy.url] : this.#urls.split(','),
      ...{ node: name, spool, last, acknowledged, from, to: events, perSecond },
      // A hundred publishers would leave no CPU time to the servers, which in a fleet are on machines of their own.
      isOneOfACrowd: publishers > CROWD,
    };
    node.from = from;
    const child = this.#spawn([join(this.#directory, 'publisher.mjs'), JSON.stringify(words)]);
    node.child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#dropped += Number(/"dropped":(\d+)/.exec(String(chunk))?.[1] ?? 0);
    });
    child.once('exit', (code) => {
      if (node.child === child) node.isDone = code === 0;
    });
  }

  #startReader(): void {
    const words = [this.#urls, this.#output, `${this.#output}.state`, String(this.#options.waitMs)];
    this.#reader = this.#spawn([...NODE, here('reader.ts'), ...words]);
  }

  #spawn(words: string[]): ChildProcess {
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
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
    this.#broken.serverKills++;
  }

  async #cut(): Promise<void> {
    this.#tell('cut the network');
    this.#proxy.cut();
    await sleep(1000);
    this.#proxy.mend();
    this.#broken.cuts++;
  }

  async #killReader(): Promise<void> {
    this.#tell('kill the reader');
    await killed(this.#reader);
    this.#broken.readerKills++;
    this.#startReader();
  }

  async #killPublisher(i: number): Promise<void> {
    const alive = this.#nodes.filter(({ isDone, child }) => !isDone && child);
    const node = alive[(i * 7) % alive.length];
    if (!node?.child) return;
    this.#tell(`kill ${node.name}`);
    const { child } = node;
    node.child = undefined;
    await killed(child);
    this.#broken.publisherKills++;
    this.#startPublisher(node, seeKill(node));
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

  /** The ids of the events that the reader has stored. */
  #received(): string[] {
    return readFileSync(this.#output, 'utf8').split('\n').slice(0, -1);
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

async function killed(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
