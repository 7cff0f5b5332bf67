import { libbpfError } from './error.ts';
import { type Libbpf, libbpf, type Pointer } from './symbols.ts';

/** include/uapi/linux/btf.h BTF_KIND_* */
export const Kind = {
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  typedef: 8,
  volatile: 9,
  const: 10,
  func: 12,
  funcProto: 13,
  var: 14,
  dataSection: 15,
  enum64: 19,
} as const;

export interface BtfType {
  id: number;
  kind: number;
  name: string;
  /** Size in bytes, for kinds that have a size. */
  size: number;
  /** Id of the type that this type refers to, for kinds that refer to one. */
  type: number;
  /** Number of members, values, parameters or variables. */
  count: number;
}

export interface BtfMember {
  name: string;
  type: number;
  /** Offset from the start of the struct. */
  bits: number;
}

const HEAD = 12;
/**
 * For each kind, the bytes that follow struct btf_type: of each of the `vlen` rows, and of the part that comes once.
 */
export const rowSize: Record<number, number> = { 4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12 };
export const fixedSize: Record<number, number> = { 1: 4, 3: 12, 14: 4, 17: 4 };

/** The type information of a compiled object or of the running kernel. */
export class Btf {
  readonly #lib: Libbpf;
  readonly #pointer: Pointer;
  #owned: boolean;

  private constructor(lib: Libbpf, pointer: Pointer, owned: boolean) {
    this.#lib = lib;
    this.#pointer = pointer;
    this.#owned = owned;
  }

  /** The BTF of the running kernel. The caller must free it. @throws OomscopeError LIBBPF */
  static ofKernel(): Btf {
    const lib = libbpf();
    const pointer = lib.btf__load_vmlinux_btf();
    if (lib.isNull(pointer)) throw libbpfError(lib, "The kernel's BTF could not be read", lib.errno());
    return new Btf(lib, pointer, true);
  }

  /** The BTF of an ELF object or of a raw BTF file. The caller must free it. @throws OomscopeError LIBBPF */
  static ofFile(path: string): Btf {
    const lib = libbpf();
    const pointer = lib.btf__parse(path, null);
    if (lib.isNull(pointer)) throw libbpfError(lib, `No BTF could be read from ${path}`, lib.errno());
    return new Btf(lib, pointer, true);
  }

  /** BTF that libbpf owns: valid until libbpf frees the object to which it belongs. */
  static borrow(pointer: Pointer): Btf {
    return new Btf(libbpf(), pointer, false);
  }

  get count(): number {
    return this.#lib.btf__type_cnt(this.#pointer);
  }

  /** The id of a type; undefined: there is no such type. */
  find(name: string, kind: number): number | undefined {
    const id = this.#lib.btf__find_by_name_kind(this.#pointer, name, kind);
    return id < 0 ? undefined : id;
  }

  type(id: number): BtfType {
    const pointer = this.#lib.btf__type_by_id(this.#pointer, id);
    if (this.#lib.isNull(pointer)) throw new RangeError(`BTF has no type ${id}`);
    const head = this.#lib.view(pointer, HEAD);
    const info = head.readUInt32LE(4);
    const size = head.readUInt32LE(8);
    return {
      id,
      kind: (info >> 24) & 0x1f,
      name: this.#name(head.readUInt32LE(0)),
      size,
      type: size,
      count: info & 0xffff,
    };
  }

  /** Follows typedefs and qualifiers (const, volatile) to the type itself. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    while (type.kind === Kind.typedef || type.kind === Kind.const || type.kind === Kind.volatile)
      type = this.type(type.type);
    return type;
  }

  sizeOf(id: number): number {
    return Number(this.#lib.btf__resolve_size(this.#pointer, id));
  }

  members(type: BtfType): BtfMember[] {
    return this.#rows(type, 12, (row) => ({
      name: this.#name(row.readUInt32LE(0)),
      type: row.readUInt32LE(4),
      bits: row.readUInt32LE(8) & 0xffffff,
    }));
  }

  enumValues(type: BtfType): { name: string; value: number }[] {
    if (type.kind === Kind.enum64) {
      return this.#rows(type, 12, (row) => ({
        name: this.#name(row.readUInt32LE(0)),
        value: row.readUInt32LE(8) * 2 ** 32 + row.readUInt32LE(4),
      }));
    }
    return this.#rows(type, 8, (row) => ({ name: this.#name(row.readUInt32LE(0)), value: row.readInt32LE(4) }));
  }

  /** Type ids of a function prototype's parameters. */
  parameters(type: BtfType): number[] {
    return this.#rows(type, 8, (row) => row.readUInt32LE(4));
  }

  /** Variables of a data section (.rodata, .bss). */
  variables(section: BtfType): { name: string; offset: number; size: number }[] {
    return this.#rows(section, 12, (row) => ({
      name: this.type(row.readUInt32LE(0)).name,
      offset: row.readUInt32LE(4),
      size: row.readUInt32LE(8),
    }));
  }

  array(type: BtfType): { element: number; length: number } {
    const pointer = this.#lib.btf__type_by_id(this.#pointer, type.id) as Pointer;
    const row = this.#lib.view(pointer, HEAD + 12).subarray(HEAD);
    return { element: row.readUInt32LE(0), length: row.readUInt32LE(8) };
  }

  /** The raw BTF: a view that is valid until free(). undefined: libbpf has no memory for it. */
  raw(): Buffer | undefined {
    const size = Buffer.alloc(4);
    const pointer = this.#lib.btf__raw_data(this.#pointer, size);
    return this.#lib.isNull(pointer) ? undefined : this.#lib.view(pointer, size.readUInt32LE(0));
  }

  /**
   * Finds an enum without a name by the name of its first value. libbpf has no function for this, and to look at all
   * types through FFI takes 130,000 calls, which is seconds. This reads the raw types (Documentation/bpf/btf.rst) in
   * about 10 ms.
   */
  enumStartingWith(first: string): BtfType | undefined {
    const raw = this.raw();
    if (raw === undefined) return undefined;
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
    const header = view.getUint32(4, true);
    const types = header + view.getUint32(8, true);
    const strings = header + view.getUint32(16, true);
    const name = strings + raw.subarray(strings).indexOf(`\0${first}\0`) + 1 - strings;
    if (name === 0) return undefined;
    const end = types + view.getUint32(12, true);
    for (let at = types, id = 1; at < end; id++) {
      const info = view.getUint32(at + 4, true);
      const kind = (info >> 24) & 0x1f;
      const count = info & 0xffff;
      if (kind === Kind.enum && count > 0 && view.getUint32(at + HEAD, true) === name) return this.type(id);
      at += HEAD + (rowSize[kind] ?? 0) * count + (fixedSize[kind] ?? 0);
    }
    return undefined;
  }

  /**
   * The types of a raw tracepoint's parameters (TP_PROTO), from the kernel's typedef `btf_trace_NAME`; undefined:
   * there is no such tracepoint.
   */
  tracepoint(name: string): string[] | undefined {
    const id = this.find(`btf_trace_${name}`, Kind.typedef);
    if (id === undefined) return undefined;
    const prototype = this.type(this.type(this.type(id).type).type);
    return this.parameters(prototype)
      .slice(1) // void *__data
      .map((parameter) => this.#describe(parameter));
  }

  free(): void {
    if (this.#owned) this.#lib.btf__free(this.#pointer);
    this.#owned = false;
  }

  #describe(id: number): string {
    const type = this.type(id);
    return type.kind === Kind.ptr ? `${this.resolve(type.type).name || 'void'} *` : type.name;
  }

  #name(offset: number): string {
    return this.#lib.btf__name_by_offset(this.#pointer, offset) ?? '';
  }

  #rows<T>(type: BtfType, size: number, read: (row: Buffer) => T): T[] {
    const pointer = this.#lib.btf__type_by_id(this.#pointer, type.id) as Pointer;
    const bytes = this.#lib.view(pointer, HEAD + type.count * size);
    return Array.from({ length: type.count }, (_, i) => read(bytes.subarray(HEAD + i * size, HEAD + (i + 1) * size)));
  }
}
