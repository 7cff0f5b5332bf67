import { type ErrorCode, errorCodes } from '../../model/error.ts';

/** Exit codes, stable: sysexits(3) where it has one. */
export const Exit = {
  /** It ended as asked. */
  ok: 0,
  /** `doctor`: tracing does not work here. `explain`: no report was found. Anything else: it failed while running. */
  failed: 1,
  /** A bad option or configuration. */
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

export const exitCodeOf = (code: ErrorCode): number => errorCodes[code].exitCode;
