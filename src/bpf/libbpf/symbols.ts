/**
 * Calls libbpf.so.1 through ffi-napi: the functions that oomscope uses, with their C signatures. A call takes about 10
 * µs, and leaks some 60 to 140 bytes of native memory. That is good enough to load and attach programs at the start.
 * Everything that is done again and again, as reading events and maps, is the work of the addon.
 */
import { createRequire } from 'node:module';
import { OomscopeError } from '../../model/error.ts';
import { libbpfMissing, loadLibbpf, loadNative } from '../../native/addon.ts';
import { nativeFile, reinstallRemedy } from '../../native/files.ts';

/** An opaque C pointer. ffi-napi represents a pointer as a Buffer at that address. */
export type Pointer = Buffer;

const signatures = {
  libbpf_major_version: ['uint32', []],
  libbpf_minor_version: ['uint32', []],
  libbpf_num_possible_cpus: ['int', []],
  libbpf_probe_bpf_prog_type: ['int', ['int', 'pointer']],

  bpf_object__open_mem: ['pointer', ['pointer', 'size_t', 'pointer']],
  bpf_object__load: ['int', ['pointer']],
  bpf_object__close: ['void', ['pointer']],
  bpf_object__btf: ['pointer', ['pointer']],
  bpf_object__next_program: ['pointer', ['pointer', 'pointer']],
  bpf_object__find_map_by_name: ['pointer', ['pointer', 'string']],
  bpf_object__next_map: ['pointer', ['pointer', 'pointer']],

  bpf_program__name: ['string', ['pointer']],
  bpf_program__section_name: ['string', ['pointer']],
  bpf_program__set_autoload: ['int', ['pointer', 'bool']],
  bpf_program__autoload: ['bool', ['pointer']],
  bpf_program__fd: ['int', ['pointer']],
  bpf_program__attach: ['pointer', ['pointer']],
  bpf_link__destroy: ['int', ['pointer']],
  bpf_link__fd: ['int', ['pointer']],

  bpf_map__name: ['string', ['pointer']],
  bpf_map__fd: ['int', ['pointer']],
  bpf_map__type: ['uint32', ['pointer']],
  bpf_map__max_entries: ['uint32', ['pointer']],
  bpf_map__set_max_entries: ['int', ['pointer', 'uint32']],
  bpf_map__key_size: ['uint32', ['pointer']],
  bpf_map__value_size: ['uint32', ['pointer']],
  bpf_map__set_value_size: ['int', ['pointer', 'uint32']],
  bpf_map__initial_value: ['pointer', ['pointer', 'pointer']],
  bpf_map__reuse_fd: ['int', ['pointer', 'int']],

  bpf_map_get_fd_by_id: ['int', ['uint32']],
  bpf_prog_get_fd_by_id: ['int', ['uint32']],
  bpf_obj_get_info_by_fd: ['int', ['int', 'pointer', 'pointer']],

  btf__load_vmlinux_btf: ['pointer', []],
  btf__parse: ['pointer', ['string', 'pointer']],
  btf__free: ['void', ['pointer']],
  btf__raw_data: ['pointer', ['pointer', 'pointer']],
  btf__type_cnt: ['uint32', ['pointer']],
  btf__type_by_id: ['pointer', ['pointer', 'uint32']],
  btf__name_by_offset: ['string', ['pointer', 'uint32']],
  btf__find_by_name_kind: ['int', ['pointer', 'string', 'uint32']],
  btf__resolve_size: ['int64', ['pointer', 'uint32']],
} as const;

interface CTypes {
  void: undefined;
  bool: boolean;
  int: number;
  uint32: number;
  int64: number | string;
  uint64: number;
  size_t: number;
  string: string | null;
  pointer: Pointer | null;
}
type CType = keyof CTypes;
type Arguments<T extends readonly CType[]> = { -readonly [K in keyof T]: CTypes[T[K]] };
type Signatures = typeof signatures;

export type Libbpf = {
  [K in keyof Signatures]: (...args: Arguments<Signatures[K][1]>) => CTypes[Signatures[K][0]];
} & {
  /** The errno of the last call. */
  errno(): number;
  /** A view of `size` bytes of C memory. The view does not keep the memory alive. */
  view(pointer: Pointer, size: number): Buffer;
  isNull(pointer: Pointer | null): pointer is null;
  /** The address in a pointer, as a number, which the addon needs. */
  address(pointer: Pointer): bigint;
  /** The lines that libbpf has logged since the last call. */
  takeLog(): string;
};

/** native/ffi.cjs: the parts of ffi-napi and ref-napi that oomscope uses. */
interface Ffi {
  Library(name: string, functions: object): Record<string, unknown>;
  errno(): number;
  reinterpret(pointer: Buffer, size: number, offset?: number): Buffer;
  isNull(pointer: Buffer): boolean;
  hexAddress(pointer: Buffer): string;
}

let loaded: Libbpf | undefined;
let calls = 0;

/** How many functions of libbpf were called through FFI in this process so far. */
export const ffiCalls = (): number => calls;

/** @throws OomscopeError LIBBPF_MISSING, ADDON_MISSING */
export function libbpf(): Libbpf {
  if (loaded) return loaded;
  const native = loadNative();
  const name = loadLibbpf(); // before FFI, which must use the copy of libbpf that the addon has chosen
  const ffi = loadFfi();
  const symbols = Object.keys(signatures) as (keyof Signatures)[];
  const library = Object.fromEntries(symbols.map((symbol) => [symbol, counted(() => bind(ffi, name, symbol))]));
  loaded = Object.assign(library, {
    errno: () => ffi.errno(),
    view: (pointer: Pointer, size: number) => ffi.reinterpret(pointer, size, 0),
    isNull: (pointer: Pointer | null): pointer is null => pointer === null || ffi.isNull(pointer),
    address: (pointer: Pointer) => BigInt(`0x${ffi.hexAddress(pointer)}`),
    takeLog: () => native.takeLibbpfLog(),
  }) as unknown as Libbpf;
  return loaded;
}

function loadFfi(): Ffi {
  const path = nativeFile('ffi.cjs');
  try {
    const ffi = createRequire(import.meta.url)(path) as Ffi;
    // Node would unload the compiled parts when the worker that has loaded them ends. Their hooks run after that, and the
    // process would crash.
    for (const part of ['ffi_bindings.node', 'ref_bindings.node']) loadNative().keepLoaded(nativeFile(part));
    return ffi;
  } catch (cause) {
    const message = `The bindings of ffi-napi could not be loaded from ${path}: ${reinstallRemedy(cause)}.`;
    throw new OomscopeError('ADDON_MISSING', message, { cause, detail: String((cause as Error).message) });
  }
}

type Call = (...args: unknown[]) => unknown;

/** @throws OomscopeError LIBBPF_MISSING */
function bind(ffi: Ffi, library: string, symbol: keyof Signatures): Call {
  try {
    return ffi.Library(library, { [symbol]: signatures[symbol] })[symbol] as Call;
  } catch (cause) {
    throw libbpfMissing(cause);
  }
}

/** @param find finds the function at its first call: it takes 60 µs, and a verb calls half of them */
function counted(find: () => Call): Call {
  let call: Call | undefined;
  return (...args) => {
    calls++;
    call ??= find();
    return call(...args);
  };
}
