import { libbpf } from './symbols.ts';

/** include/uapi/linux/bpf.h enum bpf_prog_type: what is asked for. */
export const ProgramType = { tracing: 26 } as const;

/** Whether the kernel lets *this process* use it: undefined where it cannot be told (mostly: no privilege). */
export type Probe = boolean | undefined;

const answer = (code: number): Probe => (code < 0 ? undefined : code === 1);

/**
 * For BPF_PROG_TYPE_TRACING libbpf tries an fentry program: that, and nothing about tp_btf, is what the answer says.
 */
export const probeProgramType = (type: number): Probe => answer(libbpf().libbpf_probe_bpf_prog_type(type, null));

/** libbpf's own version, as [1, 1]. */
export function libbpfVersion(): [major: number, minor: number] {
  return [libbpf().libbpf_major_version(), libbpf().libbpf_minor_version()];
}

export function possibleCpus(): number {
  return libbpf().libbpf_num_possible_cpus();
}
