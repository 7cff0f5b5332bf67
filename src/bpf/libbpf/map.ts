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

/** A map of an object. */
export class BpfMap {
  readonly #lib: Libbpf;
  readonly #pointer: Pointer;
  readonly name: string;
  /** The sizes are read once, because they do not change after the load. */
  #element: { fd: number; key: number; value: number } | undefined;

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
   * Writes an element of a loaded map.
   *
   * @param flags of bpf_map_update_elem(): `UpdateFlag`
   * @throws OomscopeError LIBBPF. RangeError: the key or the value has not the map's size
   */
  update(key: Uint8Array, value: Uint8Array, flags = 0): void {
    // The kernel gets only addresses, and would read beyond the end of a buffer that is too short.
    this.#element ??= { fd: this.fd, key: this.#lib.bpf_map__key_size(this.#pointer), value: this.valueSize };
    const size = this.#element;
    if (key.length !== size.key || value.length !== size.value) {
      throw new RangeError(`Map ${this.name}: expected a key of ${size.key} and a value of ${size.value} bytes.`);
    }
    const code = loadNative().mapUpdate(size.fd, key, value, flags);
    if (code < 0) throw new OomscopeError('LIBBPF', `Map ${this.name}: update: ${errnoName(code)}`);
  }

  /** Makes the load use an existing map instead of a new one. libbpf duplicates the descriptor. */
  reuse(fd: number): void {
    this.#check(`Map ${this.name}: reuse`, this.#lib.bpf_map__reuse_fd(this.#pointer, fd));
  }

  /** Reads the value of a key from the kernel; undefined: the map has no such key. Not for per-CPU maps. */
  lookup(key: Buffer): Buffer | undefined {
    const value = Buffer.alloc(this.valueSize);
    return this.#lib.bpf_map_lookup_elem(this.fd, key, value) === 0 ? value : undefined;
  }

  /**
   * All keys. A key that is added or removed meanwhile may be missed or returned twice, but the iteration always ends.
   */
  keys(keyBytes: number): Buffer[] {
    const found: Buffer[] = [];
    let key: Buffer | null = null;
    for (let most = this.maxEntries; most > 0; most--) {
      const next = Buffer.alloc(keyBytes);
      if (this.#lib.bpf_map_get_next_key(this.fd, key, next) !== 0) break;
      found.push(next);
      key = next;
    }
    return found;
  }

  /** The initial bytes of .rodata, .data or .bss. Before the load the caller may change them in place. */
  initialValue(): Buffer | undefined {
    const size = Buffer.alloc(8);
    const pointer = this.#lib.bpf_map__initial_value(this.#pointer, size);
    return this.#lib.isNull(pointer) ? undefined : this.#lib.view(pointer, Number(size.readBigUInt64LE(0)));
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
