/** Runs the scenario that its argument names, with a RingReader of the addon on a ring that bpf/flood.bpf.c fills. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BpfObject } from '../../../src/bpf/libbpf/index.ts';
import { Batch } from '../../../src/bpf/wire/batch.ts';
import { RecordKind } from '../../../src/bpf/wire/layout.ts';
import { loadNative, type OnBatch, type RingReader } from '../../../src/native/addon.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { schedulingOf } from '../../scheduling.ts';
import { say } from './say.ts';

const { RingReader: Reader } = loadNative();
const object = BpfObject.open(readFileSync(nativeFile('flood.bpf.o')));
object.load();
const ring = object.map('ring').fd;
const counters = object.map('counters').fd;
const [program] = object.programs;
const flood = () => program?.run();
/** The records of one flood: PER_RUN in bpf/flood.bpf.c. */
const FLOOD = 512;
const ROUNDS = 10;

const read = (onBatch: OnBatch): RingReader =>
  new Reader({ mapFd: ring, countersFd: counters, batchBytes: 0, urgentKinds: [] }, onBatch);
const turn = () => new Promise((resolve) => setImmediate(resolve));
const threads = () =>
  readdirSync('/proc/self/task').filter((tid) =>
    readFileSync(`/proc/self/task/${tid}/comm`, 'latin1').startsWith('oomscope-poll'),
  ).length;
const descriptors = () => readdirSync('/proc/self/fd').length;
const affinity = () => /^Cpus_allowed:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];

const policy = () => schedulingOf(process.pid).policy;
/** Takes CPU time, in milliseconds. */
const work = (ms: number) => {
  const from = process.cpuUsage();
  while (process.cpuUsage(from).user + process.cpuUsage(from).system < ms * 1000);
};

const cases: Record<string, () => Promise<void>> = {
  async counts() {
    let records = 0;
    await new Promise<void>((resolve) => {
      const reader = read((buffer, receivedNs, offsetNs) => {
        const batch = new Batch(buffer, receivedNs, offsetNs);
        const [first] = batch.records();
        records += batch.records().length;
        const late = (first?.header.ktime_ns ?? 0n) > receivedNs;
        if (records === 512) {
          say({
            records,
            late,
            wallClockMs: Number(receivedNs + offsetNs) / 1e6 - Date.now(),
            counters: reader.counters(),
          });
          say(reader.stats());
          reader.close();
          reader.close();
          say({ afterClose: reader.counters(), stats: reader.stats(), threads: threads() });
          resolve();
        }
      });
      flood();
    });
  },
  /** A storm of records, which keeps the pollers busy; afterwards a single record. */
  async storm() {
    let records = 0;
    const reader = read((buffer) => {
      records += buffer.byteLength;
    });
    const end = Date.now() + 10_000;
    while (reader.stats().timesLowered === 0 && Date.now() < end) {
      for (let i = 0; i < 50; i++) flood();
      await turn();
    }
    say(reader.stats());
    await sleep(250); // more than two periods without work
    const before = records;
    while (records === before || reader.stats().realtimePollers < 2) {
      if (Date.now() > end + 5_000) break;
      flood();
      await sleep(20);
    }
    say(reader.stats());
    reader.close();
  },
  /** JavaScript at real-time priority that handles no record: first little work, then work without an end. */
  async spins() {
    const refused = loadNative().setScheduler(2, 1);
    for (let i = 0; i < 8; i++) {
      work(20);
      await sleep(300);
    }
    const little = policy();
    let used = 0;
    while (policy() !== 0 && used < 2000) {
      work(10);
      used += 10;
    }
    const much = policy();
    const end = Date.now() + 10_000;
    while (policy() === 0 && Date.now() < end) await sleep(50);
    say({ refused, little, much, used: used <= 1200, again: policy() });
  },
  /** JavaScript at real-time priority, in a handler that takes 150 ms of CPU time. */
  async slowHandler() {
    const refused = loadNative().setScheduler(2, 1);
    const seen: number[] = [];
    const reader = read(() => {
      seen.push(policy());
      work(150);
    });
    const after = async () => {
      const count = seen.length;
      flood();
      while (seen.length === count) await turn();
      await turn();
      return policy();
    };
    const lowered = await after();
    await sleep(600);
    await after();
    loadNative().setScheduler(0, 0);
    say({ refused, seen: seen.length > 1 ? [seen[0], seen.at(-1)] : seen, lowered, left: policy() });
    reader.close();
  },
  /** An error thrown in the callback must become an uncaught exception, and must not abort the process. */
  async throws() {
    read(() => {
      throw new Error('thrown in onBatch');
    });
    flood();
  },
  async throwsAndCarriesOn() {
    let caught = 0;
    let records = 0;
    process.on('uncaughtException', () => caught++);
    const reader = read((buffer) => {
      records += new Batch(buffer).records().length;
      throw new Error('thrown in onBatch');
    });
    for (let want = 512; want <= 4 * 512; want += 512) {
      flood();
      while (records < want) await turn();
    }
    reader.close();
    say({ records, caught: caught > 1 });
  },
  async exits() {
    read(() => process.exit(5));
    flood();
  },
  /** A closed reader can be garbage-collected. */
  async collects() {
    const refs: WeakRef<RingReader>[] = [];
    const openAndClose = async () => {
      const reader = read(() => {});
      flood();
      await turn();
      reader.close();
      refs.push(new WeakRef(reader));
    };
    for (let i = 0; i < 20; i++) await openAndClose();
    for (let i = 0; i < 20 && refs.some((ref) => ref.deref()); i++) {
      await turn();
      globalThis.gc?.();
    }
    say({ left: refs.filter((ref) => ref.deref()).length, threads: threads() });
  },
  /** An open reader works even without a JavaScript reference to it. */
  async staysUncollected() {
    let records = 0;
    read((buffer) => {
      records += new Batch(buffer).records().length;
    });
    for (let i = 0; i < 5; i++) {
      await turn();
      globalThis.gc?.();
    }
    flood();
    while (records < 512) await turn();
    say({ records });
    process.exit(0);
  },
  /** Bad descriptors and arguments cause errors, and leave no descriptor and no thread behind. */
  async refuses() {
    const refusal = (make: () => unknown) => {
      try {
        make();
        return 'none';
      } catch (error) {
        return String(error);
      }
    };
    const make = (options: unknown, onBatch?: unknown) => refusal(() => new Reader(options as never, onBatch as never));
    const good = { mapFd: ring, countersFd: counters, batchBytes: 0, urgentKinds: [] };
    const before = descriptors();
    const messages: Record<string, string> = {};
    for (let i = 0; i < 50; i++) {
      messages.nothing = refusal(() => new (Reader as unknown as new () => unknown)());
      messages.noCallback = make(good);
      messages.badCallback = make(good, 5);
      messages.noMap = make({ ...good, mapFd: -1 }, () => {});
      messages.closedMap = make({ ...good, mapFd: 9999 }, () => {});
      messages.notAMap = make({ ...good, mapFd: 1 }, () => {});
      messages.notARing = make({ ...good, mapFd: counters }, () => {});
      messages.called = refusal(() => (Reader as unknown as () => unknown)());
      await turn();
      globalThis.gc?.();
    }
    say({ messages, leaked: descriptors() - before, threads: threads() });
  },
  /**
   * The JavaScript thread may use all CPUs again, whether the batch arrives or the reader is closed first. While it handles a
   * batch, an urgent record keeps it off the CPU that wrote the record.
   */
  async affinity() {
    const before = affinity();
    const options = {
      ...{ mapFd: ring, countersFd: counters, batchBytes: 0 },
      urgentKinds: Object.values(RecordKind),
    };
    const free = new Set<string | undefined>();
    let records = 0;
    let narrowed = 0;
    const reader = new Reader(options, (buffer) => {
      records += new Batch(buffer, 0n, 0n).records().length;
      if (records % (2 * FLOOD) !== FLOOD) return;
      free.add(affinity()); // no record waits
      flood();
      const end = Date.now() + 5000;
      while (affinity() === before && Date.now() < end);
      if (affinity() !== before) narrowed++;
    });
    for (let round = 1; round <= ROUNDS; round++) {
      flood();
      while (records < 2 * FLOOD * round) await turn();
      free.add(affinity());
    }
    reader.close();
    const early = new Reader(options, () => {});
    flood();
    early.close();
    say({ before, free: [...free], narrowed: narrowed / ROUNDS, after: affinity() });
  },
};

await cases[process.argv[2] ?? '']?.();
