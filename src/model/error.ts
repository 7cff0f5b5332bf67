/** Stable codes. A program may branch on them; the message is for people. */
export type ErrorCode =
  | 'NOT_PERMITTED'
  | 'NO_BTF'
  | 'KERNEL_TOO_OLD'
  | 'LIBBPF_MISSING'
  | 'ADDON_MISSING'
  | 'OBJECT_MISSING'
  | 'LIBBPF'
  | 'RUNTIME_MISSING'
  | 'NO_CGROUPS'
  | 'NO_CONTAINER'
  | 'OUTPUT'
  | 'CLOSED'
  | 'CONFIG'
  | 'PROCESS_GONE'
  | 'SYSTEM_CALL'
  | 'NO_INPUT'
  | 'BAD_INPUT'
  | 'PSI_UNAVAILABLE'
  | 'USAGE';

/** The one error class. `message` says what was expected, what came and what to do; `detail` holds a log, if there is one. */
export class OomscopeError extends Error {
  override readonly name = 'OomscopeError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}
