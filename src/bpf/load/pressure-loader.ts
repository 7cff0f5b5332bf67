/**
 * Loads bpf/pressure.bpf.c. It has a ring of its own: its many records must not fill the ring that the records of
 * kills need.
 */
import { existsSync } from 'node:fs';
import { missingForTracing } from '../../linux/capabilities.ts';
import { kernelFunctions } from '../../linux/kallsyms.ts';
import { OomscopeError } from '../../model/error.ts';
import { type BpfMap, type BpfObject, libbpfVersion, possibleCpus } from '../libbpf/index.ts';
import { PressureGroup, PressureLevel, PressureShare, PressureSlot, StackRange, StallCause } from '../wire/layout.ts';
import { type Attached, attachObject } from './attach.ts';
import { askKernel } from './kernel-types.ts';
import { countsAsLocked, explainLockedMemory } from './locked-memory.ts';
import { choosePressure, type PressureBackend, type PressureChoice } from './pressure-variants.ts';
import { refuseObstacle } from './tracer-loader.ts';

/** The configuration in the units of the BPF programs: nanoseconds and millionths (ppm). */
export interface PressureConfig {
  ringBytes: number;
  windows: { ns: number; some: readonly (number | undefined)[]; full: readonly (number | undefined)[] }[];
  /** Stalls that last at least this long are reported. undefined: no stall is reported. */
  stallMinNs: number | undefined;
  stack: boolean;
  fallPermille: number;
  sustainNs: number;
  coolDownNs: number;
  /** Countdowns with at least this many rounds are reported. 0: no countdown is reported. */
  countdownFrom: number;
  backend?: PressureBackend | undefined;
}

export interface LoadedPressure extends Attached {
  choices: PressureChoice[];
  libbpf: string;
  /** The map from a group's key to struct pressure_group, which its slots follow. */
  groups: BpfMap;
  stacks: BpfMap;
  /** Evaluates all hot groups (those with a recent stall) now. Returns 0 when no group is hot any more. */
  tick(): number;
}

/** An object file, and the names of its programs that are loaded but not attached. */
export interface PressureObject {
  file: string;
  spare: readonly string[];
}

const pressureObject: PressureObject = { file: 'pressure.bpf.o', spare: [] };
const NEVER_PPM = 0xffffffff;
/** After this time PSI, too, has ended its period of 2 s. */
const COLD_NS = 2_500_000_000;
const LEAST_TICK_NS = 1_000_000;
const STACKS = 1024;
/** The most memory that the map of cgroups may take in the kernel. */
const GROUPS_BYTES = 8 * 2 ** 20;

/** Kernel functions that tell the cause of a stall when they are on the stack of the stalled task. */
const telling: [cause: number, functions: string[]][] = [
  [StallCause.CAUSE_SWAP_IN, ['do_swap_page', 'shmem_swapin_folio', 'shmem_swapin_page']],
  [StallCause.CAUSE_MEMCG_HIGH, ['__mem_cgroup_handle_over_high', 'mem_cgroup_handle_over_high', 'reclaim_high']],
  [StallCause.CAUSE_MEMCG_LIMIT, ['try_charge_memcg', 'try_charge']],
  [StallCause.CAUSE_COMPACTION, ['__alloc_pages_direct_compact', 'try_to_compact_pages']],
  [StallCause.CAUSE_DIRECT_RECLAIM, ['try_to_free_pages']],
  [StallCause.CAUSE_REFAULT, ['folio_wait_bit_common', 'wait_on_page_bit_common', 'read_pages', 'filemap_fault']],
];

/**
 * @param from another object with the same programs and more; only tests pass it
 * @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, OBJECT_MISSING, LIBBPF, USAGE
 */
export function loadPressure(config: PressureConfig, from = pressureObject): LoadedPressure {
  refuseObstacle();
  const choices = pressureChoices(config.backend);
  const wanted = config.backend === 'fentry' || config.backend === 'kprobe' ? config.backend : undefined;
  if (wanted && !choices.some(({ backend }) => backend === wanted)) {
    throw new OomscopeError('USAGE', `backend: ${wanted} cannot hook psi_memstall_enter() on this kernel.`);
  }
  try {
    return toLoaded(loadWith(choices, config, from), choices);
  } catch (error) {
    // The kernel rejected the hook of psi_memstall_enter(): use tracepoints instead.
    const refused = choices.find(({ hook, program }) => hook === 'memstall_enter' && program !== undefined);
    if (!refused || config.backend) throw countsAsLocked() ? explainLockedMemory(error) : error;
    const others = pressureChoices('tp_btf').map((choice) =>
      choice.hook.startsWith('memstall')
        ? { ...choice, reason: `${refused.backend} was refused: ${(error as Error).message}` }
        : choice,
    );
    return toLoaded(loadWith(others, config, from), others);
  }
}

function toLoaded(attached: Attached, choices: PressureChoice[]): LoadedPressure {
  const { object } = attached;
  const [major, minor] = libbpfVersion();
  const byHand = object.programs.find(({ name }) => name === 'tick_by_hand');
  return {
    ...attached,
    choices,
    libbpf: `${major}.${minor}`,
    groups: object.map('groups'),
    stacks: object.map('stacks'),
    tick: () => byHand?.run() ?? 0,
  };
}

/** Which program is used for which hook. Without privileges, features that only a try can find count as missing. */
export function pressureChoices(forced?: PressureBackend): PressureChoice[] {
  return askKernel((kernel) => {
    const there = kernel.hasFunction('psi_memstall_enter');
    const tried = missingForTracing().length === 0;
    const facts = {
      psi: psiRuns(),
      fentry: there && tried && kernel.loadsFentry(),
      kprobe: there && existsSync('/sys/bus/event_source/devices/kprobe/type'),
      timer: kernel.hasFunction('bpf_timer_start'),
    };
    return choosePressure((name) => kernel.tracepoint(name), facts, forced);
  });
}

function loadWith(choices: PressureChoice[], config: PressureConfig, { file, spare }: PressureObject): Attached {
  const by = (hook: string) => choices.find((choice) => choice.hook === hook);
  const timer = by('tick')?.backend === 'timer';
  const windows = config.windows.map(({ ns }) => ns);
  return attachObject({
    file,
    programs: new Set(choices.flatMap(({ program }) => program ?? [])),
    spare: new Set([...spare, 'tick_by_hand', ...(timer ? ['timer_setup'] : [])]),
    constants: {
      possible_cpus: possibleCpus(),
      exact: by('memstall_enter')?.program ? 1 : 0,
      psi_runs: psiRuns() ? 1 : 0,
      use_timer: timer ? 1 : 0,
      tick_ns: Math.max(LEAST_TICK_NS, Math.floor(Math.min(...windows) / 10)),
      cold_ns: Math.max(COLD_NS, ...windows),
      stall_room: (config.ringBytes / 4) * 3,
      want_stack: config.stack ? 1 : 0,
      ...(config.stallMinNs !== undefined && { stall_min_ns: config.stallMinNs }),
      fall_permille: config.fallPermille,
      sustain_ns: config.sustainNs,
      cool_down_ns: config.coolDownNs,
      countdown_from: config.countdownFrom,
    },
    ringBytes: config.ringBytes,
    configure(object) {
      const groupBytes = PressureGroup.size + possibleCpus() * PressureSlot.size;
      for (const name of ['groups', 'blank']) object.map(name).valueSize = groupBytes;
      object.map('groups').maxEntries = Math.max(64, Math.min(1024, Math.floor(GROUPS_BYTES / groupBytes)));
      if (config.stack) object.map('stacks').maxEntries = STACKS;
      setLevels(object, config);
      setRanges(object);
    },
    prepare(object) {
      const tick = by('tick');
      if (timer && tick && !startTimer(object)) {
        Object.assign(tick, {
          backend: 'hooks',
          reason: 'bpf_timer exists and does not fire: the other hooks are the clock',
        });
      }
    },
  });
}

const psiRuns = () => existsSync('/proc/pressure/memory');

function setLevels(object: BpfObject, config: PressureConfig): void {
  const lengths = object.constant('window_ns');
  for (const [i, { ns }] of config.windows.entries()) lengths.writeBigUInt64LE(BigInt(ns), 8 * i);
  const { PRESSURE_LEVELS: levels, LEVEL_LOW: lowest } = PressureLevel;
  const thresholds = object.constant('thresholds'); // struct pressure_share [window][level]
  thresholds.fill(0xff);
  config.windows.forEach(({ some, full }, window) => {
    for (let level = lowest; level < levels; level++) {
      const at = (window * levels + level) * PressureShare.size;
      thresholds.writeUInt32LE(some[level - lowest] ?? NEVER_PPM, at + PressureShare.offset.some_ppm);
      thresholds.writeUInt32LE(full[level - lowest] ?? NEVER_PPM, at + PressureShare.offset.full_ppm);
    }
  });
}

function setRanges(object: BpfObject): void {
  const ranges = object.constant('ranges'); // struct stack_range []
  const { offset, size } = StackRange;
  const causes = new Map(telling.flatMap(([cause, names]) => names.map((name) => [name, cause] as const)));
  const functions = kernelFunctions([...causes.keys()]).slice(0, ranges.length / size);
  functions.forEach(({ name, from, to }, i) => {
    ranges.writeBigUInt64LE(from, i * size + offset.from);
    ranges.writeBigUInt64LE(to, i * size + offset.to);
    ranges.writeBigUInt64LE(BigInt(causes.get(name) ?? StallCause.CAUSE_OTHER), i * size + offset.cause);
  });
}

/**
 * Starts the timer: the next context switch on any CPU, even one by this thread, does. Returns whether the timer
 * fires.
 */
function startTimer(object: BpfObject): boolean {
  const link = object.programs.find(({ name }) => name === 'timer_setup')?.attach();
  const fires = () => object.variable('timer_fires').readUInt32LE(0) !== 0;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 100 && !fires(); i++) Atomics.wait(pause, 0, 0, 1);
  link?.destroy();
  return fires();
}
