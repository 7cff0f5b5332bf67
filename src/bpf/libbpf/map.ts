import { OomscopeError } from '../../model/error.ts';
import { loadNative } from '../../native/addon.ts';
import { errnoName } from '../../native/errno.ts';
import { libbpfError } from './error.ts';
import type { Libbpf, Pointer } from './symbols.ts';

/** Flags of `BpfMap.update()`, from include/uapi/linux/bpf.h. */
export const UpdateFlag = {
  /** Writes under the element's bpf_spin_lock and leaves the lock itself as it is. */
  lock: 4,
} as const;

/** enum bpf_map_type in include/uapi/linux/bpf.h. */
const BPF_MAP_TYPE_LRU_HASH = 9;

/** How many elements may be added between two calls of `entries()` without a second reading. */
const SPARE_ROWS = 16;

/** A map of an object. */
export class BpfMap {
  readonly #lib: Libbpf;
  readonly #pointer: Pointer;
  readonly name: string;
  /** Read once, because they do not change after the load. From then on nothing goes through FFI, where calls leak. */
  #element: { fd: number; key: number; value: number } | undefined;
  #rows = Buffer.alloc(0);
  #initial: Buffer | undefined;

  constructor(lib: Libbpf, pointer: Pointer) {
    this.#lib = lib;
    this.#pointer = pointer;
    this.name = lib.bpf_map__name(pointer) ?? '';
  }

  /** The map's file descriptor; -1 before the load. */
  get fd(): number {
    return this.#lib.bpf_map__fd(this.#pointer);
  }

  /** The kernel's id of the map. Another process can open the map by this id. */
  get id(): number {
    return objectId(this.#lib, this.fd);
  }

  /** Whether the kernel drops the elements that were used least recently when the map is full. */
  get isLru(): boolean {
    return this.#lib.bpf_map__type(this.#pointer) === BPF_MAP_TYPE_LRU_HASH;
  }

  get valueSize(): number {
    return this.#lib.bpf_map__value_size(this.#pointer);
  }

  /**
   * Sets the size of a value. Only before the load, and only for a map that is declared with `value_size`, not a type.
   */
  set valueSize(bytes: number) {
    this.#check(`Map ${this.name}: values of ${bytes} bytes`, this.#lib.bpf_map__set_value_size(this.#pointer, bytes));
  }

  get maxEntries(): number {
    return this.#lib.bpf_map__max_entries(this.#pointer);
  }

  /**
   * Only before the load. For a ring buffer this is its size in bytes: a power of two and a multiple of the page size.
   */
  set maxEntries(entries: number) {
    this.#check(`Map ${this.name}: ${entries} entries`, this.#lib.bpf_map__set_max_entries(this.#pointer, entries));
  }

  /**
   * Reads descriptor and sizes now, so that the first use of a loaded map does not have to. @returns this map
   */
  prepare(): this {
    this.#loaded();
    return this;
  }

  /**
   * Writes an element of a loaded map.
   *
   * @param flags of bpf_map_update_elem(): `UpdateFlag`
   * @throws OomscopeError LIBBPF. RangeError: the key or the value has not the map's size
   */
  update(key: Uint8Array, value: Uint8Array, flags = 0): void {
    const code = loadNative().mapUpdate(this.#loaded().fd, key, value, flags);
    if (code < 0) throw new OomscopeError('LIBBPF', `Map ${this.name}: update: ${errnoName(code)}`);
  }

  /** Makes the load use an existing map instead of a new one. libbpf duplicates the descriptor. */
  reuse(fd: number): void {
    this.#check(`Map ${this.name}: reuse`, this.#lib.bpf_map__reuse_fd(this.#pointer, fd));
  }

  /** Reads the value of a key from the kernel; undefined: the map has no such key. Not for per-CPU maps. */
  lookup(key: Uint8Array): Buffer | undefined {
    const { fd, value } = this.#loaded();
    const found = Buffer.alloc(value);
    return loadNative().mapLookup(fd, key, found) === 0 ? found : undefined;
  }

  /**
   * All elements. One that is added or removed meanwhile may be missed or returned twice, but the reading always ends.
   * The results are views of a buffer that the next call overwrites. Not for per-CPU maps.
   */
  entries(): { key: Buffer; value: Buffer }[] {
    const { fd, key, value } = this.#loaded();
    const row = key + value;
    let count = loadNative().mapEntries(fd, this.#rows);
    if (count * row > this.#rows.length) {
      this.#rows = Buffer.alloc((count + SPARE_ROWS) * row);
      count = Math.min(loadNative().mapEntries(fd, this.#rows), count + SPARE_ROWS);
    }
    return Array.from({ length: Math.max(0, count) }, (_, i) => ({
      key: this.#rows.subarray(i * row, i * row + key),
      value: this.#rows.subarray(i * row + key, (i + 1) * row),
    }));
  }

  /** The initial bytes of .rodata, .data or .bss. Before the load the caller may change them in place. */
  initialValue(): Buffer | undefined {
    if (this.#initial) return this.#initial;
    const size = Buffer.alloc(8);
    const pointer = this.#lib.bpf_map__initial_value(this.#pointer, size);
    if (this.#lib.isNull(pointer)) return undefined;
    this.#initial = this.#lib.view(pointer, Number(size.readBigUInt64LE(0)));
    return this.#initial;
  }

  #loaded(): { fd: number; key: number; value: number } {
    this.#element ??= { fd: this.fd, key: this.#lib.bpf_map__key_size(this.#pointer), value: this.valueSize };
    return this.#element;
  }

  #check(what: string, code: number): void {
    if (code !== 0) throw libbpfError(this.#lib, what, code);
  }
}

/** The id of a map or program: the field after `type` in struct bpf_map_info and bpf_prog_info. */
export function objectId(lib: Libbpf, fd: number): number {
  const info = Buffer.alloc(80);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(info.length);
  const code = lib.bpf_obj_get_info_by_fd(fd, info, length);
  if (code !== 0) throw libbpfError(lib, 'bpf_obj_get_info_by_fd', code);
  return info.readUInt32LE(4);
}
