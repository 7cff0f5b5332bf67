import { Btf, Kind } from './btf.ts';
import { libbpfError } from './error.ts';
import { BpfMap } from './map.ts';
import { BpfProgram } from './program.ts';
import { type Libbpf, libbpf, type Pointer } from './symbols.ts';

/** A compiled BPF object: opened, configured, loaded, closed. Not thread-safe, as libbpf is not. */
export class BpfObject {
  readonly #lib: Libbpf;
  readonly #pointer: Pointer;
  readonly #bytes: Buffer; // libbpf refers to it until close
  #closed = false;

  private constructor(lib: Libbpf, pointer: Pointer, bytes: Buffer) {
    this.#lib = lib;
    this.#pointer = pointer;
    this.#bytes = bytes;
  }

  /** Opens an ELF object that is in memory. @throws OomscopeError LIBBPF */
  static open(bytes: Buffer): BpfObject {
    const lib = libbpf();
    lib.takeLog();
    const pointer = lib.bpf_object__open_mem(bytes, bytes.length, null);
    if (lib.isNull(pointer)) throw libbpfError(lib, 'The BPF object could not be opened', lib.errno());
    return new BpfObject(lib, pointer, bytes);
  }

  /** The object's own type information. */
  get btf(): Btf {
    const pointer = this.#lib.bpf_object__btf(this.#pointer);
    if (this.#lib.isNull(pointer)) throw libbpfError(this.#lib, 'The BPF object has no BTF', this.#lib.errno());
    return Btf.borrow(pointer);
  }

  get programs(): BpfProgram[] {
    const found: BpfProgram[] = [];
    for (let at = this.#lib.bpf_object__next_program(this.#pointer, null); !this.#lib.isNull(at); ) {
      found.push(new BpfProgram(this.#lib, at));
      at = this.#lib.bpf_object__next_program(this.#pointer, at);
    }
    return found;
  }

  /** @throws RangeError if there is no such map */
  map(name: string): BpfMap {
    const pointer = this.#lib.bpf_object__find_map_by_name(this.#pointer, name);
    if (this.#lib.isNull(pointer)) throw new RangeError(`The BPF object has no map ${name}`);
    return new BpfMap(this.#lib, pointer);
  }

  /** Before load: sets a `const volatile` variable. @throws RangeError if there is none of that name */
  setConstant(name: string, value: number): void {
    const btf = this.btf;
    const section = btf.find('.rodata', Kind.dataSection);
    const variable = section === undefined ? undefined : btf.variables(btf.type(section)).find((v) => v.name === name);
    if (!variable) throw new RangeError(`The BPF object has no constant ${name}`);
    for (let map = this.#lib.bpf_object__next_map(this.#pointer, null); !this.#lib.isNull(map); ) {
      const candidate = new BpfMap(this.#lib, map);
      const bytes = candidate.name.endsWith('.rodata') ? candidate.initialValue() : undefined;
      if (bytes) {
        bytes.writeUIntLE(value, variable.offset, variable.size);
        return;
      }
      map = this.#lib.bpf_object__next_map(this.#pointer, map);
    }
    throw new RangeError('The BPF object has no read-only data');
  }

  /** Gives maps and programs to the kernel. @throws OomscopeError with the verifier's last lines in `detail` */
  load(): void {
    this.#lib.takeLog();
    const code = this.#lib.bpf_object__load(this.#pointer);
    if (code !== 0) throw libbpfError(this.#lib, 'The kernel refused the BPF object', code);
  }

  /** Frees everything; loaded maps and programs go with their last descriptor. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lib.bpf_object__close(this.#pointer);
    void this.#bytes;
  }
}
