/** Exit codes, stable: sysexits(3) where it has one. */
export const Exit = {
  ok: 0,
  /** `doctor`: tracing does not work here. `explain`: no report was found. Anything else: it failed while running. */
  failed: 1,
  usage: 2,
  /** The input is not what it should be: a binary file where a log was expected. */
  badInput: 65,
  /** The input cannot be read. */
  noInput: 66,
  /** The kernel, libbpf, the built files or a container runtime are not what is needed. */
  unavailable: 69,
  /** An error in oomscope itself. */
  software: 70,
  /** A privilege is missing. */
  noPermission: 77,
} as const;

import type { ErrorCode } from '../../model/error.ts';

export function exitCodeOf(code: ErrorCode): number {
  switch (code) {
    case 'USAGE':
    case 'CONFIG':
      return Exit.usage;
    case 'NOT_PERMITTED':
      return Exit.noPermission;
    case 'BAD_INPUT':
      return Exit.badInput;
    case 'NO_INPUT':
      return Exit.noInput;
    case 'NO_BTF':
    case 'KERNEL_TOO_OLD':
    case 'LIBBPF_MISSING':
    case 'ADDON_MISSING':
    case 'OBJECT_MISSING':
    case 'RUNTIME_MISSING':
    case 'NO_CGROUPS':
      return Exit.unavailable;
    default:
      return Exit.failed;
  }
}
