import { OomscopeError } from '../../model/error.ts';
import { Btf, Kind } from './btf.ts';
import { libbpfError } from './error.ts';
import { BpfMap } from './map.ts';
import { BpfProgram } from './program.ts';
import { type Libbpf, libbpf, type Pointer } from './symbols.ts';

interface Section {
  map: BpfMap | undefined;
  variables: ReadonlyMap<string, { offset: number; size: number }>;
}

/**
 * Before 6.16 a CPU takes 128 free elements of an LRU map at once. A CPU that finds no free element takes one from another CPU, and
 * drops it again at its next update (kernel/bpf/bpf_lru_list.c: LOCAL_FREE_TARGET).
 */
const LRU_ENTRIES_PER_CPU = 256;

/**
 * struct bpf_object_open_opts of libbpf 1.0 and later, with `sz` and `btf_custom_path`. The path follows the struct; libbpf copies it.
 */
function openOptions(lib: Libbpf, kernelBtf: string): Buffer {
  const bytes = 56;
  const options = Buffer.concat([Buffer.alloc(bytes), Buffer.from(`${kernelBtf}\0`)]);
  options.writeBigUInt64LE(BigInt(bytes), 0);
  options.writeBigUInt64LE(lib.address(options) + BigInt(bytes), 48);
  return options;
}

/** A compiled BPF object, which is opened, configured, loaded and closed. Like libbpf it is not thread-safe. */
export class BpfObject {
  readonly #lib: Libbpf;
  readonly #pointer: Pointer;
  readonly #bytes: Buffer; // kept, because libbpf uses this memory until the object is closed
  readonly #maps = new Map<string, BpfMap>();
  readonly #sections = new Map<string, Section>();
  #closed = false;
  #loaded = false;

  private constructor(lib: Libbpf, pointer: Pointer, bytes: Buffer) {
    this.#lib = lib;
    this.#pointer = pointer;
    this.#bytes = bytes;
  }

  /**
   * Opens an ELF object from memory.
   *
   * @param kernelBtf a file with raw BTF, in which libbpf finds the kernel's fields. Default: the BTF of the running kernel
   * @throws OomscopeError LIBBPF
   */
  static open(bytes: Buffer, kernelBtf?: string): BpfObject {
    const lib = libbpf();
    lib.takeLog();
    const options = kernelBtf === undefined ? null : openOptions(lib, kernelBtf);
    const pointer = lib.bpf_object__open_mem(bytes, bytes.length, options);
    if (lib.isNull(pointer)) throw libbpfError(lib, 'The BPF object could not be opened', lib.errno());
    return new BpfObject(lib, pointer, bytes);
  }

  /** libbpf's object. @throws OomscopeError CLOSED: it was freed */
  get #open(): Pointer {
    if (this.#closed) throw new OomscopeError('CLOSED', 'The BPF object is closed.');
    return this.#pointer;
  }

  /** The BTF of this object. */
  get btf(): Btf {
    const pointer = this.#lib.bpf_object__btf(this.#open);
    if (this.#lib.isNull(pointer)) throw libbpfError(this.#lib, 'The BPF object has no BTF', this.#lib.errno());
    return Btf.borrow(pointer);
  }

  get programs(): BpfProgram[] {
    const found: BpfProgram[] = [];
    for (let at = this.#lib.bpf_object__next_program(this.#open, null); !this.#lib.isNull(at); ) {
      found.push(new BpfProgram(this.#lib, at));
      at = this.#lib.bpf_object__next_program(this.#open, at);
    }
    return found;
  }

  /** @throws RangeError if there is no such map */
  map(name: string): BpfMap {
    const open = this.#open;
    const known = this.#maps.get(name);
    if (known) return known;
    const pointer = this.#lib.bpf_object__find_map_by_name(open, name);
    if (this.#lib.isNull(pointer)) throw new RangeError(`The BPF object has no map ${name}`);
    const map = new BpfMap(this.#lib, pointer);
    this.#maps.set(name, map);
    return map;
  }

  /** Sets a `const volatile` variable. Only before the load. @throws RangeError if the object has no such variable */
  setConstant(name: string, value: number | bigint): void {
    const bytes = this.constant(name);
    if (bytes.length === 8) bytes.writeBigUInt64LE(BigInt(value));
    else bytes.writeUIntLE(Number(value), 0, bytes.length);
  }

  /**
   * The bytes of a `const volatile` variable, which the caller may change in place until the load.
   *
   * @throws RangeError
   */
  constant(name: string): Buffer {
    // After the load the constants are mapped read-only, and a write would end the process with SIGSEGV.
    if (this.#loaded) throw new OomscopeError('USAGE', `The constant ${name} cannot be set: the BPF object is loaded.`);
    return this.#variable('.rodata', name, (map) => map.initialValue());
  }

  /** The current value of a global variable that the programs write. @throws RangeError */
  variable(name: string): Buffer {
    // Reads the map: libbpf before 1.6 maps the programs' variables into this process only for generated skeletons.
    return this.#variable('.bss', name, (map) => map.lookup(Buffer.alloc(4)));
  }

  #variable(sectionName: string, name: string, read: (map: BpfMap) => Buffer | undefined): Buffer {
    const variable = this.#section(sectionName).variables.get(name);
    if (!variable) throw new RangeError(`The BPF object has no variable ${name} in ${sectionName}`);
    const { map } = this.#section(sectionName);
    const bytes = map && read(map);
    if (!bytes) throw new RangeError(`The BPF object has no ${sectionName}`);
    return bytes.subarray(variable.offset, variable.offset + variable.size);
  }

  /** The map and the variables of a section. They are looked up once: this takes a call through FFI for each variable. */
  #section(name: string): Section {
    const known = this.#sections.get(name);
    if (known) return known;
    const { btf } = this;
    const id = btf.find(name, Kind.dataSection);
    const variables = id === undefined ? [] : btf.variables(btf.type(id));
    const section: Section = { map: undefined, variables: new Map(variables.map((each) => [each.name, each])) };
    let at = this.#lib.bpf_object__next_map(this.#open, null);
    for (; !section.map && !this.#lib.isNull(at); at = this.#lib.bpf_object__next_map(this.#open, at)) {
      const map = new BpfMap(this.#lib, at);
      if (map.name.endsWith(name)) section.map = map;
    }
    this.#sections.set(name, section);
    return section;
  }

  /** Enlarges maps of the type LRU that are small for the CPUs of this machine. Only before the load. */
  #makeRoom(cpus: number): void {
    let at = this.#lib.bpf_object__next_map(this.#open, null);
    for (; !this.#lib.isNull(at); at = this.#lib.bpf_object__next_map(this.#open, at)) {
      const map = new BpfMap(this.#lib, at);
      if (map.isLru && map.maxEntries < cpus * LRU_ENTRIES_PER_CPU) map.maxEntries = cpus * LRU_ENTRIES_PER_CPU;
    }
  }

  /** The address of libbpf's object, which the addon needs. */
  get address(): bigint {
    return this.#lib.address(this.#open);
  }

  /** Loads maps and programs into the kernel. @throws OomscopeError LIBBPF with the verifier's last lines in `detail` */
  load(): void {
    this.#makeRoom(this.#lib.libbpf_num_possible_cpus());
    this.#lib.takeLog();
    const code = this.#lib.bpf_object__load(this.#open);
    if (code !== 0) throw libbpfError(this.#lib, 'The kernel refused the BPF object', code);
    this.#loaded = true;
  }

  /** Frees everything. The kernel frees a map or program when its last descriptor is closed. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lib.bpf_object__close(this.#pointer);
    void this.#bytes;
  }
}
