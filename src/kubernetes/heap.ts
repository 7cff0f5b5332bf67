/**
 * How large the heap of a Java, Node or Go program may become, and whether that fits the limit of its container. Pure
 * functions on the arguments and the environment of a process.
 */
import { formatBytes } from '../text/format.ts';

/** A process, as far as its heap is concerned. */
export interface HeapProcess {
  pid: number;
  /** The file name of the program, without its folder; null: unknown. */
  program: string | null;
  /** The arguments, the program itself first. */
  args: readonly string[];
  /** "NAME=value". */
  environment: readonly string[];
  /** Whether the environment is whole: it may belong to another user, or be too long. */
  isWhole: boolean;
  isGo: boolean;
}

export interface RuntimeHeap {
  runtime: 'java' | 'node' | 'go';
  pid: number;
  /** What sets the size: "-Xmx512m", "GOMEMLIMIT=400MiB". null: nothing that is known. */
  setting: string | null;
  /** The most that the heap may become. null: unknown. */
  most_bytes: number | null;
  /** Sentences that compare it with the limit. */
  advice: string;
}

interface Runtime {
  is: (process: HeapProcess) => boolean;
  /** @returns the setting, and the largest heap; undefined: nothing sets it */
  set: (process: HeapProcess, limitBytes: number | null) => { setting: string; bytes: number | null } | undefined;
  /** The largest heap without a setting; null: unknown. */
  byDefault: (limitBytes: number) => number | null;
  /** How much of the limit the heap should have at most, and the share that is advised. */
  most: number;
  share: number;
  /** How to set a size. */
  write: (bytes: number) => string;
  /** What else needs memory. */
  rest: string;
  withoutSetting: string;
}

const NAMES = { java: 'Java', node: 'Node', go: 'Go' } as const;
const [KIB, MIB, GIB] = [2 ** 10, 2 ** 20, 2 ** 30];

const runtimes: Record<RuntimeHeap['runtime'], Runtime> = {
  java: {
    is: ({ program }) => program === 'java',
    set: javaSetting,
    byDefault: javaDefault,
    ...{ most: 0.8, share: 0.75 },
    write: (bytes) => `-Xmx${Math.floor(bytes / MIB)}m`,
    rest: 'classes, code, stacks and buffers outside of the heap',
    withoutSetting: 'Java takes only a part of the limit by default: -XX:MaxRAMPercentage=75 lets it use more of it.',
  },
  node: {
    is: ({ program }) => program === 'node' || program === 'nodejs',
    set: nodeSetting,
    byDefault: () => null,
    ...{ most: 0.85, share: 0.75 },
    write: (bytes) => `--max-old-space-size=${Math.floor(bytes / MIB)}`,
    rest: 'buffers, young objects and code',
    withoutSetting: 'Node then decides by itself when to collect garbage, which may be after the limit is reached.',
  },
  go: {
    is: ({ isGo }) => isGo,
    set: goSetting,
    byDefault: () => null,
    ...{ most: 0.95, share: 0.9 },
    write: (bytes) => `GOMEMLIMIT=${Math.floor(bytes / MIB)}MiB`,
    rest: 'memory that Go does not manage',
    withoutSetting:
      'Unless the program sets it by itself, Go lets the heap double before it collects garbage, and does not know the limit.',
  },
};

/** @param limitBytes of the container; null: it has none @returns undefined: the program is none of these */
export function heapOf(process: HeapProcess, limitBytes: number | null): RuntimeHeap | undefined {
  for (const [name, runtime] of Object.entries(runtimes) as [RuntimeHeap['runtime'], Runtime][]) {
    if (!runtime.is(process)) continue;
    const found = runtime.set(process, limitBytes);
    if (!found && !process.isWhole) {
      const advice = `${NAMES[name]}: the environment of process ${process.pid} cannot be read as a whole, so that the size of the heap is not known.`;
      return { runtime: name, pid: process.pid, setting: null, most_bytes: null, advice };
    }
    const byDefault = limitBytes === null ? null : runtime.byDefault(limitBytes);
    const heap = { setting: found?.setting ?? null, most_bytes: found ? found.bytes : byDefault };
    return { runtime: name, pid: process.pid, ...heap, advice: advise(name, heap, limitBytes) };
  }
  return undefined;
}

function advise(
  name: RuntimeHeap['runtime'],
  { setting, most_bytes: most }: Pick<RuntimeHeap, 'setting' | 'most_bytes'>,
  limit: number | null,
): string {
  const runtime = runtimes[name];
  const shown = NAMES[name];
  if (limit === null) {
    return most === null
      ? `${shown}: the container has no limit, and the size of the heap is not known.`
      : `${shown}: the heap may grow to ${formatBytes(most)} (${setting}); the container has no limit.`;
  }
  const wanted = runtime.write(limit * runtime.share);
  if (setting === null)
    return `${shown}: nothing sets the size of the heap. ${runtime.withoutSetting}${tip(name, wanted, limit)}`;
  if (most === null) return `${shown}: ${setting} sets no size that is known here.`;
  const what = `${shown}: the heap may grow to ${formatBytes(most)} (${setting})`;
  const fitting = `Set ${wanted}, or a limit of ${formatBytes(Math.ceil(most / runtime.share / MIB) * MIB)}.`;
  if (most > limit)
    return `${what}, more than the limit of ${formatBytes(limit)}: the OOM killer comes before the garbage collector has to. ${fitting}`;
  if (most > limit * runtime.most)
    return `${what}, which leaves ${formatBytes(limit - most)} of the limit of ${formatBytes(limit)} for ${runtime.rest}: too little. ${fitting}`;
  return `${what}, and ${formatBytes(limit - most)} of the limit of ${formatBytes(limit)} is left for ${runtime.rest}: this fits.`;
}

const tip = (name: RuntimeHeap['runtime'], wanted: string, limit: number) =>
  name === 'java' ? '' : ` Set ${wanted}, for the limit of ${formatBytes(limit)}.`;

/** The order of HotSpot: JAVA_TOOL_OPTIONS, JDK_JAVA_OPTIONS, the arguments, _JAVA_OPTIONS; the last one counts. */
function javaSetting({ args, environment }: HeapProcess, limit: number | null) {
  const words = [
    ...wordsIn(environment, 'JAVA_TOOL_OPTIONS'),
    ...wordsIn(environment, 'JDK_JAVA_OPTIONS'),
    ...javaOptions(args),
    ...wordsIn(environment, '_JAVA_OPTIONS'),
  ];
  const size = words.findLast((word) => /^(?:-Xmx|-XX:MaxHeapSize=)/.test(word));
  if (size !== undefined) return { setting: size, bytes: javaSize(size.replace(/^-Xmx|^-XX:MaxHeapSize=/, '')) };
  const percent = words.findLast((word) => word.startsWith('-XX:MaxRAMPercentage='));
  if (percent !== undefined) {
    const share = Number(percent.slice('-XX:MaxRAMPercentage='.length)) / 100;
    return { setting: percent, bytes: limit === null || !(share > 0) ? null : Math.floor(limit * share) };
  }
  // A file of arguments may have any of these.
  const file = words.find((word) => word.startsWith('@'));
  return file === undefined ? undefined : { setting: file, bytes: null };
}

/** The arguments before the main class or the archive. */
function javaOptions(args: readonly string[]): string[] {
  const withValue = /^(?:-cp|-classpath|--class-path|-p|--module-path|--add-modules|--upgrade-module-path)$/;
  const options: string[] = [];
  for (let i = 1; i < args.length; i++) {
    const word = args[i] as string;
    if (withValue.test(word)) i++;
    else if (word === '-jar' || word === '-m' || !/^[-@]/.test(word)) break;
    else options.push(word);
  }
  return options;
}

/** arguments.cpp, Arguments::set_heap_size(): half of a small memory, else a quarter and at least 124 MiB. */
function javaDefault(limit: number): number {
  const least = 124 * MIB;
  return limit / 2 < least ? Math.floor(limit / 2) : Math.max(Math.floor(limit / 4), least);
}

function javaSize(text: string): number | null {
  const [, digits, unit = ''] = /^(\d+)([kmgtKMGT]?)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  return Number(digits) * ({ k: KIB, m: MIB, g: GIB, t: 2 ** 40 }[unit.toLowerCase()] ?? 1);
}

function nodeSetting({ args, environment }: HeapProcess, limit: number | null) {
  const end = args.findIndex((word, i) => i > 0 && !word.startsWith('-'));
  const own = args.slice(1, end < 0 ? undefined : end);
  const words = [...wordsIn(environment, 'NODE_OPTIONS'), ...own];
  const found = words.findLast((word) => /^--max[-_]old[-_]space[-_]size(?:-percentage)?=\d/.test(word));
  if (found === undefined) return undefined;
  const value = Number(found.slice(found.indexOf('=') + 1));
  if (!found.includes('percentage')) return { setting: found, bytes: value > 0 ? value * MIB : null };
  return { setting: found, bytes: limit === null ? null : Math.floor((limit * value) / 100) };
}

function goSetting({ environment }: HeapProcess) {
  const value = variable(environment, 'GOMEMLIMIT');
  if (value === undefined) return undefined;
  const [, digits, unit = 'B'] = /^(\d+)(B|KiB|MiB|GiB|TiB)?$/.exec(value) ?? [];
  const size = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB, TiB: 2 ** 40 }[unit] ?? 1;
  return { setting: `GOMEMLIMIT=${value}`, bytes: digits === undefined ? null : Number(digits) * size };
}

const variable = (environment: readonly string[], name: string) =>
  environment.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);

const wordsIn = (environment: readonly string[], name: string) =>
  (variable(environment, name) ?? '').split(/\s+/).filter((word) => word !== '');
