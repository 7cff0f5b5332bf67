/**
 * A fuzzer that is guided by coverage: it changes inputs at random, reproducibly by seed, and keeps an input if it
 * reaches a block of the code, or reaches a block more often, than the inputs before it. V8 counts the blocks.
 */
import { type Profiler, Session } from 'node:inspector';
import { seeded } from '../seeded.ts';
import type { Target } from './targets.ts';

export interface Fuzzed {
  runs: number;
  /** Blocks of the code, each with the order of magnitude of how often one input reached it. */
  features: number;
  /** The inputs that reached something new, with the seeds that did. */
  kept: Buffer[];
  slowestCpuMs: number;
}

export interface FuzzOptions {
  seeds: readonly Buffer[];
  /** Seed of the random numbers. */
  seed: number;
  /** The files whose code guides the fuzzing, by their URL. Default: those in src/. */
  code?: RegExp;
  /** Ends the fuzzing. */
  runs?: number;
  seconds?: number;
  /** Called with each input before it is read, so that an input that hangs is known. */
  before?: (input: Buffer) => void;
}

const LONGEST = 16_384;
/** An input that takes more CPU time than this is a fault (ms). */
const MOST_CPU_MS = 2000;

/** @throws the error of the target, with the input in base64 */
export async function fuzz(target: Target, options: FuzzOptions): Promise<Fuzzed> {
  using coverage = new Coverage(options.code ?? /\/src\//);
  const { seeds, runs = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY } = options;
  const change = changer(seeded(options.seed), seeds);
  const fuzzed: Fuzzed = { runs: 0, features: 0, kept: [], slowestCpuMs: 0 };
  const until = performance.now() + seconds * 1000;
  const queue = [...seeds];
  while (fuzzed.runs < runs && performance.now() < until) {
    const input = queue.pop() ?? change(fuzzed.kept);
    options.before?.(input);
    const before = process.cpuUsage();
    try {
      await target(input);
    } catch (error) {
      throw new Error(`input ${input.toString('base64')}: ${(error as Error).stack}`, { cause: error });
    }
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    fuzzed.runs++;
    // The first runs compile the code.
    if (fuzzed.runs > 50) fuzzed.slowestCpuMs = Math.max(fuzzed.slowestCpuMs, ms);
    if (ms > MOST_CPU_MS) throw new Error(`input ${input.toString('base64')}: ${ms} ms of CPU time`);
    if (coverage.grew()) fuzzed.kept.push(input);
  }
  return { ...fuzzed, features: coverage.features.size };
}

class Coverage implements Disposable {
  readonly features = new Set<string>();
  readonly #session = new Session();
  readonly #code: RegExp;

  constructor(code: RegExp) {
    this.#code = code;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Adds what was reached since the last call. @returns whether something was new */
  grew(): boolean {
    const before = this.features.size;
    const { result } = this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    for (const { scriptId, url, functions } of result) {
      if (!this.#code.test(url)) continue;
      for (const { ranges } of functions) {
        // V8 lists a block only if its count differs from the block around it, so a block with the count 0 matters, too:
        // it is first listed when an input goes another way.
        for (const { startOffset, count } of ranges) {
          this.features.add(`${scriptId}:${startOffset}:${count === 0 ? 'none' : Math.ceil(Math.log2(count))}`);
        }
      }
    }
    return this.features.size > before;
  }

  [Symbol.dispose](): void {
    this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /** The session is in this thread, so the answer comes before post() returns. */
  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    let failure: Error | null = null;
    this.#session.post(method, params, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure) throw failure;
    return answer;
  }
}

const BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x20, 0x22, 0x5b, 0x7b];

const NUMBERS = ['0', '-1', '1e999', '1e30', '0.1', '256', '65536', '4294967296', '18446744073709551616'];
const TOKEN = /"[^"]*"|-?\d[\w.+-]*|\w+/g;

/** Makes a new input from those that were kept. */
function changer(next: () => number, seeds: readonly Buffer[]): (kept: readonly Buffer[]) => Buffer {
  const below = (limit: number) => Math.floor(next() * limit);
  const some = <T>(list: readonly T[]) => list[below(list.length)] as T;
  const words = [...new Set(seeds.flatMap((seed) => seed.toString('latin1').match(/[\w.-]{2,24}|[^\w\s]{1,3}/g) ?? []))]
    .slice(0, 4000)
    .map((word) => Buffer.from(word, 'latin1'));
  words.push(
    ...['1e999', '-1', '\\u005d', '"""', '[[[[[[[[', '18446744073709551616', '\u202e', '\0'].map((word) =>
      Buffer.from(word),
    ),
  );
  const splice = (bytes: Buffer, at: number, remove: number, insert: Buffer) =>
    Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
  const changes: ((bytes: Buffer, others: readonly Buffer[]) => Buffer)[] = [
    (bytes) => splice(bytes, below(bytes.length), 1, Buffer.from([below(256)])),
    (bytes) => splice(bytes, below(bytes.length), 1, Buffer.from([some(BYTES)])),
    (bytes) => {
      const at = below(bytes.length);
      return splice(bytes, at, 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << below(8))]));
    },
    (bytes) => splice(bytes, below(bytes.length + 1), 0, some(words)),
    (bytes) => splice(bytes, below(bytes.length), below(16), some(words)),
    (bytes) => splice(bytes, below(bytes.length), below(64), Buffer.alloc(0)),
    (bytes) => {
      // Replaces a whole word, string or number, so that the rest stays valid.
      const found = [...bytes.toString('latin1').matchAll(TOKEN)];
      if (found.length === 0) return bytes;
      const { index, 0: token } = some(found);
      const isNumber = /^-?\d/.test(token);
      return splice(bytes, index, token.length, isNumber ? Buffer.from(some(NUMBERS)) : some(words));
    },
    (bytes) => {
      const at = below(bytes.length);
      return splice(bytes, below(bytes.length), 0, bytes.subarray(at, at + below(128)));
    },
    (bytes, others) => {
      const other = some(others);
      const at = below(other.length);
      return splice(bytes, below(bytes.length), below(128), other.subarray(at, at + below(512)));
    },
    (bytes) => bytes.subarray(0, below(bytes.length) + 1),
  ];
  return (kept) => {
    // A new input is chosen more often than an old one.
    let bytes = next() < 0.5 ? some(kept.slice(-20)) : some(kept);
    for (let left = 1 + below(4); left > 0; left--) bytes = some(changes)(bytes, kept);
    return bytes.subarray(0, LONGEST);
  };
}
