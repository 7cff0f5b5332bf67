import { libbpf } from './symbols.ts';

/** The program types that are probed: values of enum bpf_prog_type (include/uapi/linux/bpf.h). */
export const ProgramType = { tracing: 26 } as const;

/**
 * Whether the kernel lets this process use a feature; undefined: unknown, mostly because this process lacks
 * privileges.
 */
export type Probe = boolean | undefined;

const answer = (code: number): Probe => (code < 0 ? undefined : code === 1);

/** For BPF_PROG_TYPE_TRACING libbpf tries an fentry program, so the answer says nothing about tp_btf. */
export const probeProgramType = (type: number): Probe => answer(libbpf().libbpf_probe_bpf_prog_type(type, null));

/** The version of libbpf, as [1, 1]. */
export function libbpfVersion(): [major: number, minor: number] {
  return [libbpf().libbpf_major_version(), libbpf().libbpf_minor_version()];
}

export function possibleCpus(): number {
  return libbpf().libbpf_num_possible_cpus();
}
