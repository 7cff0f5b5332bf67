/**
 * Takes from a kernel's BTF the types that the BPF objects ask for. libbpf finds the offsets of fields (CO-RE) by the names of types, and
 * compares each name with some 130,000 types of the kernel: 16 ms for the tracer. In a BTF of some hundred types it takes 1 ms.
 */
import { fixedSize, Kind, rowSize } from '../libbpf/index.ts';

/** include/uapi/linux/btf.h */
const MAGIC = 0xeb9f;
const VERSION = 1;
const HEADER_BYTES = 24;
const TYPE_BYTES = 12;
/** The last kind that is known: BTF_KIND_ENUM64. */
const LAST_KIND = 19;
/** BTF of the kernel's functions, variables and sections, which no type contains. */
const never = new Set<number>([Kind.func, Kind.funcProto, Kind.var, Kind.dataSection]);
const named = new Set<number>([Kind.struct, Kind.union, Kind.enum, Kind.enum64, Kind.typedef]);

/**
 * @param kernel raw BTF (Documentation/bpf/btf.rst)
 * @param names of structs, unions, enums and typedefs
 * @param mark becomes the last string of the BTF
 * @returns raw BTF with every type of these names, and the types that it contains. All pointers point to `void`, because
 *   CO-RE never looks behind a pointer. undefined: the BTF has a form that is not known
 */
export function smallBtf(kernel: Buffer, names: readonly string[], mark: string): Buffer | undefined {
  const types = typesOf(kernel);
  if (types === undefined) return undefined;
  const copy = new Copy(kernel, types);
  const wanted = new Set(names);
  for (let id = 1; id < types.at.length; id++) {
    if (named.has(copy.kind(id)) && wanted.has(copy.name(id))) copy.add(id);
  }
  return copy.bytes(mark);
}

interface Types {
  /** The place of each type, by its id. */
  at: Uint32Array;
  /** The place of the strings. */
  strings: number;
}

function typesOf(raw: Buffer): Types | undefined {
  if (raw.length < HEADER_BYTES || raw.readUInt16LE(0) !== MAGIC || raw[2] !== VERSION) return undefined;
  const header = raw.readUInt32LE(4);
  const begin = header + raw.readUInt32LE(8);
  const end = begin + raw.readUInt32LE(12);
  const strings = header + raw.readUInt32LE(16);
  if (end > raw.length || strings + raw.readUInt32LE(20) > raw.length) return undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const at = new Uint32Array(Math.floor((end - begin) / TYPE_BYTES) + 1);
  let count = 1;
  for (let place = begin; place < end; count++) {
    if (place + TYPE_BYTES > end) return undefined;
    at[count] = place;
    const info = view.getUint32(place + 4, true);
    const kind = (info >> 24) & 0x1f;
    if (kind === 0 || kind > LAST_KIND || info & 0xff_0000) return undefined;
    place += TYPE_BYTES + (rowSize[kind] ?? 0) * (info & 0xffff) + (fixedSize[kind] ?? 0);
    if (place > end) return undefined;
  }
  return { at: at.subarray(0, count), strings };
}

/** Collects types under new ids. */
class Copy {
  readonly #raw: Buffer;
  readonly #types: Types;
  readonly #ids = new Map<number, number>();
  readonly #names = new Map<number, number>();
  readonly #words: number[] = [];
  readonly #strings: Buffer[] = [Buffer.alloc(1)];
  #stringBytes = 1;
  #count = 0;
  #pointer = 0;

  constructor(raw: Buffer, types: Types) {
    this.#raw = raw;
    this.#types = types;
  }

  kind(id: number): number {
    return (this.#word(id, 1) >> 24) & 0x1f;
  }

  name(id: number): string {
    return this.#text(this.#word(id, 0)).toString('latin1');
  }

  /** Adds a type and the types that it contains, unless it is there. @returns its new id; 0 stays 0, which is `void` */
  add(id: number): number {
    if (id === 0) return 0;
    const known = this.#ids.get(id);
    if (known !== undefined) return known;
    const words = this.#kindIs(id, Kind.ptr) ? undefined : this.#contents(id);
    if (words === undefined) {
      this.#pointer ||= this.#push([0, Kind.ptr << 24, 0]);
      this.#ids.set(id, this.#pointer);
      return this.#pointer;
    }
    const fresh = this.#push(words);
    this.#ids.set(id, fresh);
    return fresh;
  }

  bytes(mark: string): Buffer {
    const last = Buffer.from(`${mark}\0`, 'latin1');
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16LE(MAGIC, 0);
    header[2] = VERSION;
    const lengths = [HEADER_BYTES, 0, this.#words.length * 4, this.#words.length * 4, this.#stringBytes + last.length];
    for (const [i, length] of lengths.entries()) header.writeUInt32LE(length, 4 + i * 4);
    const types = Buffer.alloc(this.#words.length * 4);
    for (const [i, word] of this.#words.entries()) types.writeUInt32LE(word >>> 0, i * 4);
    return Buffer.concat([header, types, ...this.#strings, last]);
  }

  /** The words of a type, with new ids and names. */
  #contents(id: number): number[] {
    const info = this.#word(id, 1);
    const kind = this.kind(id);
    const count = info & 0xffff;
    const refers = [Kind.typedef, Kind.volatile, Kind.const, RESTRICT, TYPE_TAG].includes(kind);
    const words = [this.#string(this.#word(id, 0)), info, refers ? this.add(this.#word(id, 2)) : this.#word(id, 2)];
    if (kind === Kind.array)
      return [...words, this.add(this.#word(id, 3)), this.add(this.#word(id, 4)), this.#word(id, 5)];
    const row = (rowSize[kind] ?? 0) / 4;
    for (let i = 0; i < count; i++) {
      const first = 3 + i * row;
      words.push(this.#string(this.#word(id, first)));
      const isMember = kind === Kind.struct || kind === Kind.union;
      words.push(isMember ? this.add(this.#word(id, first + 1)) : this.#word(id, first + 1));
      if (row === 3) words.push(this.#word(id, first + 2));
    }
    for (let i = 0; i < (fixedSize[kind] ?? 0) / 4; i++) words.push(this.#word(id, 3 + i));
    return words;
  }

  #kindIs(id: number, kind: number): boolean {
    const own = this.kind(id);
    return own === kind || never.has(own);
  }

  #push(words: number[]): number {
    for (const word of words) this.#words.push(word);
    this.#count++;
    return this.#count;
  }

  #string(offset: number): number {
    if (offset === 0) return 0;
    const known = this.#names.get(offset);
    if (known !== undefined) return known;
    const text = this.#text(offset);
    const fresh = this.#stringBytes;
    this.#strings.push(Buffer.from(text), Buffer.alloc(1));
    this.#stringBytes += text.length + 1;
    this.#names.set(offset, fresh);
    return fresh;
  }

  #text(offset: number): Buffer {
    const from = this.#types.strings + offset;
    const to = this.#raw.indexOf(0, from);
    return this.#raw.subarray(from, to < 0 ? this.#raw.length : to);
  }

  #word(id: number, index: number): number {
    return this.#raw.readUInt32LE((this.#types.at[id] ?? this.#raw.length) + index * 4);
  }
}

const RESTRICT = 11;
const TYPE_TAG = 18;
