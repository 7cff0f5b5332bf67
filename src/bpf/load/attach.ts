/**
 * Loads a compiled object into the kernel and attaches the chosen programs. Then its ring can be read.
 */
import { readFileSync } from 'node:fs';
import { OomscopeError } from '../../model/error.ts';
import { nativeFile, reinstallRemedy } from '../../native/files.ts';
import { type BpfLink, BpfObject } from '../libbpf/index.ts';
import { CleanupStack } from './cleanup-stack.ts';
import { smallBtfFile } from './small-btf-file.ts';

export interface AttachOptions {
  /** The name of an object file in build/, as "oomscope.bpf.o". It must have the maps of bpf/maps.bpf.h. */
  file: string;
  /** Names of the programs to load and attach. */
  programs: ReadonlySet<string>;
  /** Values for the object's `const volatile` variables, by name. */
  constants: Record<string, number>;
  /** Names of programs to load but not to attach: the caller runs them, or attaches them for a moment. */
  spare?: ReadonlySet<string>;
  /** Called before the load, to set constants that are not numbers, and sizes of maps. */
  configure?: (object: BpfObject) => void;
  /** Called after the load, before a program is attached. */
  prepare?: (object: BpfObject) => void;
  /** Size of the object's ring in bytes: a power of two, at least one page. */
  ringBytes: number;
}

export interface Attached {
  object: BpfObject;
  ringFd: number;
  countersFd: number;
  /** The kernel's ids of the maps. Another process can open a map by its id. */
  mapIds: { ring: number; counters: number };
  /** Addresses of libbpf's object and links. The addon frees them if a worker is terminated before `close()`. */
  owned: { object: bigint; links: bigint[] };
  /** Detaches the programs; the ring stays. Idempotent. */
  detach(): void;
  /** Detaches and frees. Idempotent. */
  close(): void;
}

/** @throws OomscopeError OBJECT_MISSING, LIBBPF with the verifier's last lines in `detail` */
export function attachObject(options: AttachOptions): Attached {
  const { file, programs, constants, spare, ringBytes } = options;
  using opened = new CleanupStack();
  const object = opened.use(openObject(file));
  const links: BpfLink[] = [];
  const detach = () => {
    for (const link of links.splice(0)) link.destroy();
  };
  opened.defer(detach);
  const all = object.programs;
  for (const program of all) program.autoload = programs.has(program.name) || spare?.has(program.name) === true;
  for (const [name, value] of Object.entries(constants)) object.setConstant(name, value);
  object.map('ring').maxEntries = ringBytes;
  options.configure?.(object);
  object.load();
  options.prepare?.(object);
  for (const program of all) if (programs.has(program.name)) links.push(program.attach());
  const ring = object.map('ring');
  const counters = object.map('counters');
  const attached = {
    object,
    ringFd: ring.fd,
    countersFd: counters.fd,
    mapIds: { ring: ring.id, counters: counters.id },
    owned: { object: object.address, links: links.map(({ address }) => address) },
    detach,
  };
  const owner = opened.move();
  return { ...attached, close: () => owner.close() };
}

/** Opens one of the BPF objects. @throws OomscopeError OBJECT_MISSING, LIBBPF */
export const openObject = (file: string): BpfObject => BpfObject.open(readObject(file), smallBtfFile());

/** Reads one of the BPF objects. @throws OomscopeError OBJECT_MISSING */
function readObject(file: string): Buffer {
  const path = nativeFile(file);
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new OomscopeError('OBJECT_MISSING', `The BPF object ${path} is missing: ${reinstallRemedy()}.`, { cause });
  }
}
