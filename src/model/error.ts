/** The one error class, and the table of its codes. */

/** One code of an OomscopeError. */
interface ErrorFacts {
  /** What happened, as one sentence. */
  meaning: string;
  /** What the caller or the operator does about it, as one sentence. */
  remedy: string;
  /** The exit code of a verb that ends with this error: sysexits(3) where it has one. */
  exitCode: 1 | 2 | 65 | 66 | 69 | 77;
}

/** Every code that an OomscopeError can have. Codes are stable: none changes its meaning, and new ones may be added. */
export const errorCodes = {
  USAGE: {
    meaning: 'An option, an argument or a field has a value that it cannot have, or there is no option of that name.',
    remedy: 'Correct the value: the message names it and says what was expected.',
    exitCode: 2,
  },
  CONFIG: {
    meaning: 'A configuration file cannot be read or has a fault.',
    remedy: 'Correct the line that the message names. `oomscope config check FILE` lists all faults at once.',
    exitCode: 2,
  },
  NOT_PERMITTED: {
    meaning: 'The process lacks a privilege.',
    remedy: 'Run as root, or give the process the capabilities that the message names.',
    exitCode: 77,
  },
  KERNEL_TOO_OLD: {
    meaning: 'The kernel does not have what this feature needs.',
    remedy: 'Use the version of Linux that the message names. `oomscope doctor` says what works here.',
    exitCode: 69,
  },
  NO_BTF: {
    meaning: 'The kernel does not describe its types: /sys/kernel/btf/vmlinux is missing.',
    remedy: 'Use a kernel that is built with CONFIG_DEBUG_INFO_BTF=y.',
    exitCode: 69,
  },
  LIBBPF_MISSING: {
    meaning: 'The shared library libbpf 1.0 or later cannot be loaded.',
    remedy: 'Install libbpf (Debian: libbpf1, Fedora: libbpf).',
    exitCode: 69,
  },
  LIBBPF: {
    meaning: 'libbpf or the BPF verifier refused a program or a map.',
    remedy: 'Report it with the `detail` of the error, which has the log of libbpf.',
    exitCode: 1,
  },
  ADDON_MISSING: {
    meaning: 'The native addon build/oomscope.node is missing or does not load.',
    remedy: 'In a checkout run `npm run setup`; otherwise install the package again on this machine.',
    exitCode: 69,
  },
  OBJECT_MISSING: {
    meaning: 'A compiled BPF object in build/ is missing or cannot be read.',
    remedy: 'In a checkout run `npm run setup`; otherwise install the package again.',
    exitCode: 69,
  },
  NO_CGROUPS: {
    meaning: 'No cgroup hierarchy with the memory controller is mounted.',
    remedy: 'Mount one, or boot without cgroup_disable=memory.',
    exitCode: 69,
  },
  PSI_UNAVAILABLE: {
    meaning: 'The kernel has no PSI, or PSI is switched off.',
    remedy: 'Boot with psi=1, or use a kernel that is built with CONFIG_PSI=y.',
    exitCode: 69,
  },
  RUNTIME_MISSING: {
    meaning: 'No container runtime answers at its socket.',
    remedy: 'Start the runtime, or name its socket.',
    exitCode: 69,
  },
  NO_CONTAINER: {
    meaning: 'There is no container, or no cgroup, of the given name.',
    remedy: 'Choose one that the message or `oomscope docker check --all` lists.',
    exitCode: 1,
  },
  PROCESS_GONE: {
    meaning: 'The process has ended, or another process has its pid by now.',
    remedy: 'Nothing: no signal was sent and nothing was changed.',
    exitCode: 1,
  },
  SYSTEM_CALL: {
    meaning: 'A system call failed for a reason that has no code of its own.',
    remedy: 'Read the message, which has the name of the errno.',
    exitCode: 1,
  },
  NO_INPUT: {
    meaning: 'An input file cannot be read.',
    remedy: 'Correct the path or its permissions.',
    exitCode: 66,
  },
  BAD_INPUT: {
    meaning: 'An input is not what it should be: a binary file where a log was expected.',
    remedy: 'Give the right file.',
    exitCode: 65,
  },
  OUTPUT: {
    meaning: 'An output file cannot be written.',
    remedy: 'Correct the path, its permissions, or make room on the disk.',
    exitCode: 1,
  },
  CLOSED: {
    meaning: 'A method was called on something that has been closed.',
    remedy: 'Open it again. This is a fault of the calling program.',
    exitCode: 1,
  },
} as const satisfies Record<string, ErrorFacts>;

/** A stable code: a program may branch on it. The message is for people. */
export type ErrorCode = keyof typeof errorCodes;

/** The one error class. `message` says what was expected, what came and what to do. */
export class OomscopeError extends Error {
  /** Always the same, also in another copy of the module. */
  override readonly name = 'OomscopeError';
  /** Stable; `errorCodes` says what each means. */
  readonly code: ErrorCode;
  /** The end of a log that belongs to the error, several lines: that of libbpf. */
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}
