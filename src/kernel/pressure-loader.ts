/**
 * Opens bpf/pressure.bpf.c's object, which has maps and a ring of its own: pressure is chatty, and must not cost a kill.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type BpfLink, type BpfMap, BpfObject, Btf, Kind, libbpfVersion, possibleCpus } from '../libbpf/index.ts';
import { ProgramType, probeProgramType } from '../libbpf/probe.ts';
import { OomscopeError } from '../model/error.ts';
import { builtFile } from '../native.ts';
import { PressureGroup, PressureSlot, StallCause } from '../wire/layout.ts';
import { missingForTracing } from './capabilities.ts';
import { kernelFunctions } from './kallsyms.ts';
import { obstacle } from './loader.ts';
import { choosePressure, type PressureBackend, type PressureChoice } from './pressure-variants.ts';

/** Everything in nanoseconds and millionths, as the programs have it. */
export interface PressureConfig {
  ringBytes: number;
  windows: { ns: number; some: readonly (number | undefined)[]; full: readonly (number | undefined)[] }[];
  /** undefined: no stall is told of. */
  stallMinNs: number | undefined;
  stack: boolean;
  fallPermille: number;
  sustainNs: number;
  coolDownNs: number;
  /** 0: never. */
  countdownFrom: number;
  backend?: PressureBackend | undefined;
}

export interface LoadedPressure {
  ringFd: number;
  countersFd: number;
  owned: { object: bigint; links: bigint[] };
  choices: PressureChoice[];
  libbpf: string;
  /** struct pressure_group, followed by the slots, by the group's key. */
  groups: BpfMap;
  stacks: BpfMap;
  /** Looks at all groups now. Returns 0 when none is watched any more. */
  tick(): number;
  /** Detaches the programs; the maps stay. Idempotent. */
  detach(): void;
  /** Detaches and frees. Idempotent. */
  close(): void;
}

const NEVER_PPM = 0xffffffff;
const PSI_PERIOD_NS = 2_000_000_000;
/** What the map of cgroups may take in the kernel. */
const GROUPS_BYTES = 8 * 2 ** 20;

/** Functions that on the stack of a stalled task tell why it is. */
const telling: [cause: number, functions: string[]][] = [
  [StallCause.CAUSE_SWAP_IN, ['do_swap_page', 'shmem_swapin_folio', 'shmem_swapin_page']],
  [StallCause.CAUSE_MEMCG_HIGH, ['__mem_cgroup_handle_over_high', 'mem_cgroup_handle_over_high', 'reclaim_high']],
  [StallCause.CAUSE_MEMCG_LIMIT, ['try_charge_memcg', 'try_charge']],
  [StallCause.CAUSE_COMPACTION, ['__alloc_pages_direct_compact', 'try_to_compact_pages']],
  [StallCause.CAUSE_DIRECT_RECLAIM, ['try_to_free_pages']],
  [StallCause.CAUSE_REFAULT, ['folio_wait_bit_common', 'wait_on_page_bit_common', 'read_pages', 'filemap_fault']],
];

/** @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, OBJECT_MISSING, LIBBPF, USAGE */
export function loadPressure(config: PressureConfig): LoadedPressure {
  const inTheWay = obstacle();
  if (inTheWay) throw inTheWay;
  const choices = pressureChoices(config.backend);
  const wanted = config.backend === 'fentry' || config.backend === 'kprobe' ? config.backend : undefined;
  if (wanted && !choices.some(({ backend }) => backend === wanted)) {
    throw new OomscopeError('USAGE', `backend: ${wanted} cannot hook psi_memstall_enter() on this kernel.`);
  }
  const [major, minor] = libbpfVersion();
  try {
    return { ...loadWith(choices, config), choices, libbpf: `${major}.${minor}` };
  } catch (error) {
    // A function that cannot be hooked after all: tracepoints do.
    const refused = choices.find(({ hook, program }) => hook === 'memstall_enter' && program !== undefined);
    if (!refused || config.backend) throw error;
    const again = pressureChoices('tp_btf');
    for (const choice of again.slice(0, 2))
      choice.reason = `${refused.backend} was refused: ${(error as Error).message}`;
    return { ...loadWith(again, config), choices: again, libbpf: `${major}.${minor}` };
  }
}

/** Which program would serve which hook. Without privileges nothing that must be tried is counted on. */
export function pressureChoices(forced?: PressureBackend): PressureChoice[] {
  const kernel = Btf.ofKernel();
  try {
    const there = kernel.find('psi_memstall_enter', Kind.func) !== undefined;
    const tried = missingForTracing().length === 0;
    const facts = {
      psi: existsSync('/proc/pressure/memory'),
      fentry: there && tried && probeProgramType(ProgramType.tracing) === true,
      kprobe: there && existsSync('/sys/bus/event_source/devices/kprobe/type'),
      timer: kernel.find('bpf_timer_start', Kind.func) !== undefined,
    };
    return choosePressure((name) => kernel.tracepoint(name), facts, forced);
  } finally {
    kernel.free();
  }
}

function loadWith(choices: PressureChoice[], config: PressureConfig): Omit<LoadedPressure, 'choices' | 'libbpf'> {
  const object = BpfObject.open(readObject());
  const links: BpfLink[] = [];
  const detach = () => {
    for (const link of links.splice(0)) link.destroy();
  };
  const close = () => {
    detach();
    object.close();
  };
  try {
    const chosen = new Set(choices.map(({ program }) => program));
    const programs = object.programs;
    const timer = choices.some(({ backend }) => backend === 'timer');
    for (const program of programs) {
      program.autoload =
        chosen.has(program.name) || program.name === 'tick_by_hand' || (timer && program.name === 'timer_setup');
    }
    configure(object, config, choices);
    const groupBytes = PressureGroup.size + possibleCpus() * PressureSlot.size;
    for (const name of ['groups', 'blank']) object.map(name).valueSize = groupBytes;
    object.map('groups').maxEntries = Math.max(64, Math.min(1024, Math.floor(GROUPS_BYTES / groupBytes)));
    object.map('ring').maxEntries = config.ringBytes;
    if (config.stack) object.map('stacks').maxEntries = 1024;
    object.load();
    if (timer)
      startTimer(
        object,
        programs.find(({ name }) => name === 'timer_setup'),
      );
    for (const program of programs) if (chosen.has(program.name)) links.push(program.attach());
    const byHand = programs.find(({ name }) => name === 'tick_by_hand');
    return {
      ringFd: object.map('ring').fd,
      countersFd: object.map('counters').fd,
      owned: { object: object.address, links: links.map(({ address }) => address) },
      groups: object.map('groups'),
      stacks: object.map('stacks'),
      tick: () => byHand?.run() ?? 0,
      detach,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function configure(object: BpfObject, config: PressureConfig, choices: PressureChoice[]): void {
  const by = (hook: string) => choices.find((choice) => choice.hook === hook);
  object.setConstant('possible_cpus', possibleCpus());
  object.setConstant('exact', by('memstall_enter')?.program ? 1 : 0);
  object.setConstant('psi_runs', existsSync('/proc/pressure/memory') ? 1 : 0);
  object.setConstant('use_timer', by('tick')?.backend === 'timer' ? 1 : 0);
  object.setConstant('want_stack', config.stack ? 1 : 0);
  if (config.stallMinNs !== undefined) object.setConstant('stall_min_ns', config.stallMinNs);
  object.setConstant('fall_permille', config.fallPermille);
  object.setConstant('sustain_ns', config.sustainNs);
  object.setConstant('cool_down_ns', config.coolDownNs);
  object.setConstant('countdown_from', config.countdownFrom);
  const longest = Math.max(...config.windows.map(({ ns }) => ns));
  const shortest = Math.min(...config.windows.map(({ ns }) => ns));
  object.setConstant('cold_ns', Math.max(PSI_PERIOD_NS, longest));
  object.setConstant('tick_ns', Math.max(1_000_000, Math.floor(shortest / 10)));

  const lengths = object.constant('window_ns');
  for (const [i, { ns }] of config.windows.entries()) lengths.writeBigUInt64LE(BigInt(ns), 8 * i);
  const thresholds = object.constant('thresholds'); // [window][level] of { some_ppm, full_ppm }
  thresholds.fill(0xff);
  config.windows.forEach(({ some, full }, window) => {
    for (let level = 1; level < 4; level++) {
      const at = (window * 4 + level) * 8;
      thresholds.writeUInt32LE(some[level - 1] ?? NEVER_PPM, at);
      thresholds.writeUInt32LE(full[level - 1] ?? NEVER_PPM, at + 4);
    }
  });

  const ranges = object.constant('ranges');
  const causes = new Map(telling.flatMap(([cause, names]) => names.map((name) => [name, cause] as const)));
  const functions = kernelFunctions([...causes.keys()]).slice(0, ranges.length / 24);
  functions.forEach(({ name, from, to }, i) => {
    ranges.writeBigUInt64LE(from, 24 * i);
    ranges.writeBigUInt64LE(to, 24 * i + 8);
    ranges.writeBigUInt64LE(BigInt(causes.get(name) ?? 0), 24 * i + 16);
  });
}

/** The next context switch on any CPU, that of this very thread too, sets the timer up. */
function startTimer(object: BpfObject, setup: { attach(): BpfLink } | undefined): void {
  const link = setup?.attach();
  const ready = object.variable('timer_ready');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 100 && ready.readUInt32LE(0) === 0; i++) Atomics.wait(pause, 0, 0, 1);
  link?.destroy();
}

function readObject(): Buffer {
  const path = builtFile('pressure.bpf.o');
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new OomscopeError('OBJECT_MISSING', `The BPF object ${path} is missing: run \`npm run setup\`.`, { cause });
  }
}
