/**
 * Opens the tracer's compiled object, chooses the programs for this kernel, loads and attaches them.
 */
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import type { GfpBits } from '../../kernel-facts/gfp-names.ts';
import {
  btfRemedy,
  hasKernelBtf,
  KERNEL_BTF,
  kernelTooOld,
  missingForTracing,
  OLD_KERNEL_REMEDY,
} from '../../linux/capabilities.ts';
import { OomscopeError } from '../../model/error.ts';
import { loadNative } from '../../native/addon.ts';
import { rightsRemedy } from '../../native/files.ts';
import { libbpfVersion, possibleCpus } from '../libbpf/index.ts';
import { CandidatesMode } from '../wire/layout.ts';
import { type Attached, attachObject } from './attach.ts';
import { askKernel, type KernelTypes } from './kernel-types.ts';
import { countsAsLocked, explainLockedMemory } from './locked-memory.ts';
import { type Backend, type Choice, chooseOomControl, chooseVariants, type Functions } from './variants.ts';

export interface LoadedTracer extends Attached {
  choices: Choice[];
  gfp: GfpBits;
  libbpf: string;
  /**
   * Sends invented records to the ring, as one record of the kind `rehearsal`. @returns false: the ring is full, or this
   * process may no longer run a BPF program
   */
  rehearse: (records: Uint8Array) => boolean;
}

export interface LoadOptions {
  /** Size of the ring in bytes: a power of two, at least one page. */
  ringBytes: number;
  /** For which kills the list of processes is sent from which the kernel chose its victim. */
  candidates?: keyof typeof candidatesModes;
  /** Use this backend for every hook that has it, for tests. */
  backend?: Backend | undefined;
}

const candidatesModes = {
  never: CandidatesMode.CANDIDATES_NEVER,
  system: CandidatesMode.CANDIDATES_SYSTEM,
  always: CandidatesMode.CANDIDATES_ALWAYS,
} as const;

/** Why this process cannot trace on this kernel, as an error; undefined: it can. */
export function obstacle(): OomscopeError | undefined {
  if (kernelTooOld()) {
    return new OomscopeError(
      'KERNEL_TOO_OLD',
      `Linux 5.10 or later is needed; this is ${release()}: ${OLD_KERNEL_REMEDY}.`,
    );
  }
  const missing = missingForTracing();
  if (missing.length > 0) {
    const list = missing.join(' and ');
    return new OomscopeError(
      'NOT_PERMITTED',
      `Tracing needs ${list}, which this process lacks: ${rightsRemedy(missing)}.`,
    );
  }
  if (!hasKernelBtf()) {
    return new OomscopeError('NO_BTF', `${KERNEL_BTF} is missing: ${btfRemedy()}.`);
  }
  return undefined;
}

/** @throws OomscopeError see obstacle() */
export function refuseObstacle(): void {
  const inTheWay = obstacle();
  if (inTheWay) throw inTheWay;
}

/**
 * @throws OomscopeError see obstacle(); LIBBPF_MISSING, OBJECT_MISSING, LIBBPF with the kernel's message in `detail`
 */
export function loadTracer(options: LoadOptions): LoadedTracer {
  try {
    return loadBest(options);
  } catch (error) {
    throw countsAsLocked() ? explainLockedMemory(error) : error;
  }
}

function loadBest(options: LoadOptions): LoadedTracer {
  refuseObstacle();
  const [major, minor] = libbpfVersion();

  const { choices, functions, gfp } = kernelFacts(options.backend);
  if (options.backend && !choices.some(({ backend }) => backend === options.backend)) {
    throw new OomscopeError('USAGE', `backend: this kernel has nothing that ${options.backend} could serve.`);
  }
  const lacking = choices.find((choice) => choice.required && choice.program === undefined);
  if (lacking) throw new OomscopeError('KERNEL_TOO_OLD', `This kernel cannot be traced: ${lacking.reason}.`);

  const oomControl = choices.find(({ hook }) => hook === 'oom_control') as Choice;
  const wanted = { ...oomControl };
  for (;;) {
    try {
      return { ...loadWith(choices, options), choices, gfp, libbpf: `${major}.${minor}` };
    } catch (error) {
      // If the kernel refuses to attach to oom_kill_process(), another backend is tried. (arm64 loads fentry programs,
      // but before 6.4 it cannot attach them.)
      const { program, backend } = oomControl;
      if (program === undefined || options.backend) {
        Object.assign(oomControl, wanted); // the refusal was about another program
        throw error;
      }
      const left = { fentry: false, kprobe: functions.kprobe && backend === 'fentry' };
      const reason = `${backend} was refused: ${(error as Error).message}`;
      Object.assign(oomControl, chooseOomControl(left), { reason });
    }
  }
}

export interface KernelFacts {
  choices: Choice[];
  functions: Functions;
  gfp: GfpBits;
}

const facts = new Map<Backend | undefined, KernelFacts>();

/** Which programs fit the kernel, from its BTF. */
export function kernelFacts(forced?: Backend): KernelFacts {
  let known = facts.get(forced);
  if (!known) {
    known = askKernel((kernel) => {
      const functions = functionsOf(kernel);
      const choices = chooseVariants((name) => kernel.tracepoint(name), functions, forced);
      return { choices, functions, gfp: kernel.gfpBits() };
    });
    facts.set(forced, known);
  }
  return known;
}

/** Without privileges, a feature that can be found only by loading a program counts as missing. */
function functionsOf(kernel: KernelTypes): Functions {
  const there = kernel.hasFunction('oom_kill_process');
  const fentry = there && missingForTracing().length === 0 && kernel.loadsFentry();
  const kprobe = there && existsSync('/sys/bus/event_source/devices/kprobe/type');
  return { fentry, kprobe };
}

function loadWith(choices: Choice[], options: LoadOptions): Attached & Pick<LoadedTracer, 'rehearse'> {
  const attached = attachObject({
    file: 'oomscope.bpf.o',
    programs: new Set(choices.flatMap(({ program }) => program ?? [])),
    constants: {
      possible_cpus: possibleCpus(),
      exit_is_last_step: choices.some((c) => c.hook === 'exit_mmap' && !c.program) ? 1 : 0,
      search_stack: choices.some(({ backend }) => backend === 'stack') ? 1 : 0,
      candidates_mode: candidatesModes[options.candidates ?? 'never'],
      page_shift: Math.log2(loadNative().pageSize()),
    },
    ringBytes: options.ringBytes,
    spare: new Set([REHEARSE]),
  });
  const fd = attached.object.programs.find(({ name }) => name === REHEARSE)?.fd ?? -1;
  return { ...attached, rehearse: (records) => loadNative().programRunOn(fd, records) === 0 };
}

/** The program of bpf/rehearsal.bpf.h. */
const REHEARSE = 'rehearse';
