import { OomscopeError } from '../../model/error.ts';
import { loadNative } from '../../native/addon.ts';
import { checked } from '../../native/system-call.ts';
import { libbpfError } from './error.ts';
import { objectId } from './map.ts';
import type { Libbpf, Pointer } from './symbols.ts';

/** Keeps a program attached until it is destroyed. */
export class BpfLink {
  readonly #lib: Libbpf;
  #pointer: Pointer | undefined;
  #fd: number | undefined;

  constructor(lib: Libbpf, pointer: Pointer) {
    this.#lib = lib;
    this.#pointer = pointer;
  }

  /** The address of libbpf's link, which the addon needs; 0: the link is destroyed. */
  get address(): bigint {
    return this.#pointer ? this.#lib.address(this.#pointer) : 0n;
  }

  /**
   * Starts a BPF iterator. Only for the link of an iterator program.
   *
   * @returns a descriptor. Reading it to its end is one pass over all objects; the caller must close it
   * @throws OomscopeError SYSTEM_CALL, NOT_PERMITTED, CLOSED
   */
  iterate(): number {
    if (!this.#pointer) throw new OomscopeError('CLOSED', 'The BPF link is closed.');
    this.#fd ??= this.#lib.bpf_link__fd(this.#pointer);
    return checked(loadNative().iteratorOpen(this.#fd), 'bpf', 'start of a BPF iterator');
  }

  /** Detaches. Idempotent. */
  destroy(): void {
    if (this.#pointer) this.#lib.bpf_link__destroy(this.#pointer);
    this.#pointer = undefined;
  }
}

/** One BPF program of an open BPF object (libbpf: struct bpf_program). */
export class BpfProgram {
  readonly #lib: Libbpf;
  readonly #pointer: Pointer;
  readonly name: string;
  /** The ELF section, which names the hook: `tp_btf/mark_victim`. */
  readonly section: string;
  /** Read once, because a call through FFI leaks memory, and a program may be run often. */
  #fd: number | undefined;

  constructor(lib: Libbpf, pointer: Pointer) {
    this.#lib = lib;
    this.#pointer = pointer;
    this.name = lib.bpf_program__name(pointer) ?? '';
    this.section = lib.bpf_program__section_name(pointer) ?? '';
  }

  get autoload(): boolean {
    return this.#lib.bpf_program__autoload(this.#pointer);
  }

  /** Whether load() loads the program into the kernel. Only before the load. */
  set autoload(on: boolean) {
    const code = this.#lib.bpf_program__set_autoload(this.#pointer, on);
    if (code !== 0) throw libbpfError(this.#lib, `Program ${this.name}: autoload`, code);
  }

  get fd(): number {
    return this.#lib.bpf_program__fd(this.#pointer);
  }

  get id(): number {
    return objectId(this.#lib, this.fd);
  }

  /** Attaches the program to the hook that its section names. @throws OomscopeError LIBBPF, NOT_PERMITTED */
  attach(): BpfLink {
    const link = this.#lib.bpf_program__attach(this.#pointer);
    if (this.#lib.isNull(link)) {
      throw libbpfError(this.#lib, `Program ${this.name} could not be attached to ${this.section}`, this.#lib.errno());
    }
    return new BpfLink(this.#lib, link);
  }

  /**
   * Runs the program once, in this thread (BPF_PROG_TEST_RUN; raw tracepoints since 5.10). @returns its result
   *
   * @throws OomscopeError SYSTEM_CALL, NOT_PERMITTED
   */
  run(): number {
    this.#fd ??= this.fd;
    return testRun(this.#fd);
  }
}

/** Runs a loaded program once. @param fd its descriptor. @throws OomscopeError SYSTEM_CALL, NOT_PERMITTED */
export const testRun = (fd: number): number => checked(loadNative().programRun(fd), 'bpf', 'BPF_PROG_TEST_RUN');
