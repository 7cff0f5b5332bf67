/** The BPF objects that a process holds, and whether they still exist in the kernel. */
import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { libbpf } from '../../src/bpf/libbpf/symbols.ts';

export interface BpfIds {
  maps: number[];
  programs: number[];
}

/** The BPF objects of this process, read from its descriptors (/proc/self/fdinfo). */
export function heldIds(): BpfIds {
  const maps = new Set<number>();
  const programs = new Set<number>();
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    let text: string;
    try {
      text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    } catch {
      continue; // the descriptor of the directory that is being read
    }
    const map = /^map_id:\s*(\d+)/m.exec(text)?.[1];
    const program = /^prog_id:\s*(\d+)/m.exec(text)?.[1];
    if (map) maps.add(Number(map));
    if (program) programs.add(Number(program));
  }
  return { maps: [...maps], programs: [...programs] };
}

/** Returns the given BPF objects that still exist in the kernel. */
export function alive(ids: BpfIds): BpfIds {
  const lib = libbpf();
  const there = (get: (id: number) => number) => (id: number) => {
    const fd = get(id);
    if (fd >= 0) closeSync(fd);
    if (fd < 0 && fd !== -constants.errno.ENOENT)
      throw new Error(`expected a descriptor for BPF id ${id}, or ENOENT, got error ${fd}`);
    return fd >= 0;
  };
  return {
    maps: ids.maps.filter(there(lib.bpf_map_get_fd_by_id)),
    programs: ids.programs.filter(there(lib.bpf_prog_get_fd_by_id)),
  };
}

/**
 * Resolves when no object exists any more. The kernel frees an object some RCU grace periods after its last descriptor
 * closes.
 */
export async function gone(ids: BpfIds): Promise<void> {
  for (let left = alive(ids); left.maps.length + left.programs.length > 0; left = alive(left)) await sleep(20);
}
