/** The only error class of oomscope, and the table of its codes. */

/** One code of an OomscopeError. */
interface ErrorFacts {
  /** What happened, as one sentence. */
  meaning: string;
  /** What the caller or the operator should do, as one sentence. */
  remedy: string;
  /** The exit code of a command that ends with this error: from sysexits(3) where it has a matching code. */
  exitCode: 1 | 2 | 65 | 66 | 69 | 77;
}

/** Every code that an OomscopeError can have. Codes are stable: none changes its meaning, and new ones may be added. */
export const errorCodes = {
  USAGE: {
    meaning: 'An option, an argument or a field has an invalid value, or there is no option of that name.',
    remedy: 'Correct the option or value that the message names. The message also says what was expected.',
    exitCode: 2,
  },
  CONFIG: {
    meaning: 'A configuration file cannot be read or contains an error.',
    remedy: 'Correct the line that the message names. `oomscope config check FILE` lists all errors at once.',
    exitCode: 2,
  },
  NOT_PERMITTED: {
    meaning: 'The process lacks a privilege that the operation needs.',
    remedy: 'Run as root, or give the process the capabilities that the message names.',
    exitCode: 77,
  },
  KERNEL_TOO_OLD: {
    meaning: 'The kernel is too old for this feature.',
    remedy: 'Use the Linux version that the message names, or a later one. `oomscope doctor` says what works here.',
    exitCode: 69,
  },
  LIMITS: {
    meaning: 'A limit of this process is too low: its open files or its tasks.',
    remedy: 'Raise the limit that the message names.',
    exitCode: 69,
  },
  NO_PROC: {
    meaning: 'The proc file system is not mounted at /proc.',
    remedy: 'Mount it: mount -t proc proc /proc.',
    exitCode: 69,
  },
  NO_BTF: {
    meaning: 'The kernel has no BTF type information: /sys/kernel/btf/vmlinux is missing.',
    remedy:
      'Boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y. `explain`, `scores`, `pressure` and `guard` work without it.',
    exitCode: 69,
  },
  LIBBPF_MISSING: {
    meaning: 'The shared library libbpf 1.0 or later cannot be loaded.',
    remedy: 'Install libbpf (Debian: libbpf1, Fedora: libbpf).',
    exitCode: 69,
  },
  LIBBPF: {
    meaning: 'libbpf or the BPF verifier refused a program or a map.',
    remedy: 'Report the error with its `detail`, which contains the log of libbpf.',
    exitCode: 1,
  },
  ADDON_MISSING: {
    meaning: 'The native addon or the bindings to libbpf are missing or cannot be loaded.',
    remedy: 'In a checkout run `npm run setup`; otherwise install the package again on this machine.',
    exitCode: 69,
  },
  OBJECT_MISSING: {
    meaning: 'A compiled BPF object is missing or cannot be read.',
    remedy: 'In a checkout run `npm run setup`; otherwise install the package again.',
    exitCode: 69,
  },
  NO_CGROUPS: {
    meaning: 'No cgroup hierarchy with the memory controller is mounted.',
    remedy: 'Mount such a hierarchy, or boot without cgroup_disable=memory.',
    exitCode: 69,
  },
  PSI_UNAVAILABLE: {
    meaning: 'The kernel has no PSI, or PSI is switched off.',
    remedy: 'Boot with psi=1, or use a kernel that is built with CONFIG_PSI=y.',
    exitCode: 69,
  },
  RUNTIME_MISSING: {
    meaning: 'No container runtime answers at its socket.',
    remedy: 'Start the runtime, or give the path of its socket.',
    exitCode: 69,
  },
  KUBERNETES: {
    meaning: 'The Kubernetes API does not answer, or its answer cannot be used.',
    remedy: 'Read the message, which names the server and what it said. `oomscope k8s check` shows what works.',
    exitCode: 69,
  },
  SERVER: {
    meaning: 'A server of the fleet cannot be reached, refuses this client, or lacks what the fleet needs.',
    remedy: 'Start or set up the server, or correct the address or the credentials, as the message says.',
    exitCode: 69,
  },
  NO_CONTAINER: {
    meaning: 'There is no container and no cgroup with the given name.',
    remedy: 'Choose a name that the message or `oomscope docker check --all` lists.',
    exitCode: 1,
  },
  NO_ENTRY: {
    meaning: 'The history has no entry with the given number or id.',
    remedy: 'Choose a number that `oomscope history` lists.',
    exitCode: 1,
  },
  PROCESS_GONE: {
    meaning: 'The process has ended, or another process has its pid by now.',
    remedy: 'Do nothing: no signal was sent and nothing was changed.',
    exitCode: 1,
  },
  SYSTEM_CALL: {
    meaning: 'A system call failed for a reason that has no code of its own.',
    remedy: 'Read the message, which names the errno, for example EBUSY.',
    exitCode: 1,
  },
  NO_INPUT: {
    meaning: 'An input file cannot be read.',
    remedy: 'Correct the path or its permissions.',
    exitCode: 66,
  },
  BAD_INPUT: {
    meaning: 'An input has the wrong format, for example a binary file where a log was expected.',
    remedy: 'Give a file in the format that the message names.',
    exitCode: 65,
  },
  OUTPUT: {
    meaning: 'An output file cannot be written.',
    remedy: 'Correct the path or its permissions, or free space on the disk.',
    exitCode: 1,
  },
  LISTEN: {
    meaning: 'The HTTP server cannot listen on its address: the port is taken, or the address is not allowed.',
    remedy: 'Choose another address, or end the program that listens there. The message says which of the two.',
    exitCode: 69,
  },
  CLOSED: {
    meaning: 'A method was called on an object that is already closed.',
    remedy: 'Correct the calling program: it must open a new object, or not call the method after close().',
    exitCode: 1,
  },
} as const satisfies Record<string, ErrorFacts>;

/** The code of an error. Codes are stable, so that a program may branch on them; the message is for people. */
export type ErrorCode = keyof typeof errorCodes;

/** The only error class of oomscope. `message` says what was expected, what was found and what to do. */
export class OomscopeError extends Error {
  /**
   * The name of the class. It identifies the error even when two copies of the module are loaded and instanceof fails.
   */
  override readonly name = 'OomscopeError';
  /** The stable code; `errorCodes` says what each code means. */
  readonly code: ErrorCode;
  /** The last lines of a log that belongs to the error, such as the log of libbpf. */
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}
