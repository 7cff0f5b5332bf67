/**
 * A compiled object in the kernel: its chosen programs attached, its ring ready to be read.
 */
import { readFileSync } from 'node:fs';
import { OomscopeError } from '../../model/error.ts';
import { builtFile } from '../../native/addon.ts';
import { type BpfLink, BpfObject } from '../libbpf/index.ts';

export interface AttachOptions {
  /** In build/, as "oomscope.bpf.o". It has the maps of bpf/maps.bpf.h. */
  file: string;
  /** The programs to load, by name. */
  programs: ReadonlySet<string>;
  /** Its `const volatile` variables. */
  constants: Record<string, number>;
  /** Programs to load and not to attach: to be run by hand, or attached for a moment. */
  spare?: ReadonlySet<string>;
  /** More to set before the load. */
  configure?: (object: BpfObject) => void;
  /** What must be done before anything is attached. */
  prepare?: (object: BpfObject) => void;
  /** Size of its ring in bytes: a power of two, at least a page. */
  ringBytes: number;
}

export interface Attached {
  object: BpfObject;
  ringFd: number;
  countersFd: number;
  /** Kernel ids of the maps, by which another process can reach them. */
  mapIds: { ring: number; counters: number };
  /** Addresses of libbpf's object and links, for who must free them when JavaScript no longer runs. */
  owned: { object: bigint; links: bigint[] };
  /** Detaches the programs; the ring stays. Idempotent. */
  detach(): void;
  /** Detaches and frees. Idempotent. */
  close(): void;
}

/** @throws OomscopeError OBJECT_MISSING, LIBBPF with the kernel's words in `detail` */
export function attachObject(options: AttachOptions): Attached {
  const { file, programs, constants, spare, ringBytes } = options;
  const object = BpfObject.open(readObject(file));
  const links: BpfLink[] = [];
  const detach = () => {
    for (const link of links.splice(0)) link.destroy();
  };
  const close = () => {
    detach();
    object.close();
  };
  try {
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
    return {
      object,
      ringFd: ring.fd,
      countersFd: counters.fd,
      mapIds: { ring: ring.id, counters: counters.id },
      owned: { object: object.address, links: links.map(({ address }) => address) },
      detach,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** One of the objects in build/. @throws OomscopeError OBJECT_MISSING */
export function readObject(file: string): Buffer {
  const path = builtFile(file);
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new OomscopeError('OBJECT_MISSING', `The BPF object ${path} is missing: run \`npm run setup\`.`, { cause });
  }
}
