/**
 * Answers about the running kernel from its BTF, which has 5 MB: libbpf takes some 10 ms to read it, and 8 more to find out whether
 * fentry programs load. So the answers are kept in a file, for the next start (type-cache.ts).
 */
import type { GfpBits } from '../../kernel-facts/gfp-names.ts';
import { Btf, Kind, ProgramType, probeProgramType } from '../libbpf/index.ts';
import { gfpBits } from './gfp.ts';
import { type Answers, readTypeCache, writeTypeCache } from './type-cache.ts';

export interface KernelTypes {
  /** The types of a tracepoint's parameters; undefined: the kernel has no such tracepoint. */
  tracepoint(name: string): string[] | undefined;
  /** Whether the BTF has this function. For a kfunc that means that BPF programs may call it. */
  hasFunction(name: string): boolean;
  /** Whether fentry programs load. Only for a process that may load programs. */
  loadsFentry(): boolean;
  gfpBits(): GfpBits;
}

let known: Answers | undefined;

/**
 * Calls `ask` with the types of the running kernel. The BTF is read only for a question that no start since the last boot has asked.
 *
 * @throws OomscopeError LIBBPF
 */
export function askKernel<T>(ask: (kernel: KernelTypes) => T): T {
  known ??= readTypeCache() ?? { tracepoints: {}, functions: {} };
  const kernel = new AskedKernel(known);
  try {
    return ask(kernel);
  } finally {
    if (kernel.close()) writeTypeCache(known);
  }
}

class AskedKernel implements KernelTypes {
  readonly #answers: Answers;
  #btf: Btf | undefined;
  #learned = false;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  tracepoint(name: string): string[] | undefined {
    const { tracepoints } = this.#answers;
    if (!Object.hasOwn(tracepoints, name)) tracepoints[name] = this.#learn().tracepoint(name) ?? null;
    return tracepoints[name] ?? undefined;
  }

  hasFunction(name: string): boolean {
    const { functions } = this.#answers;
    if (!Object.hasOwn(functions, name)) functions[name] = this.#learn().find(name, Kind.func) !== undefined;
    return functions[name] as boolean;
  }

  loadsFentry(): boolean {
    if (this.#answers.fentry === undefined) {
      const answer = probeProgramType(ProgramType.tracing);
      if (answer === undefined) return false;
      this.#answers.fentry = answer;
      this.#learned = true;
    }
    return this.#answers.fentry;
  }

  gfpBits(): GfpBits {
    this.#answers.gfp ??= gfpBits(this.#learn());
    return this.#answers.gfp;
  }

  /** Frees the BTF. @returns whether an answer is new */
  close(): boolean {
    this.#btf?.free();
    return this.#learned;
  }

  #learn(): Btf {
    this.#btf ??= Btf.ofKernel();
    this.#learned = true;
    return this.#btf;
  }
}
