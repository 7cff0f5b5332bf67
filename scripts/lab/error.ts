/** Why a guest could not be booted or returned no result. The message is for people. */
export type LabErrorCode =
  /** A bad option or file. */
  | 'USAGE'
  /** QEMU, busybox, apt or another program of this machine is missing. */
  | 'NOT_INSTALLED'
  /** The kernel package is not available. */
  | 'NO_KERNEL'
  /** The kernel of the guest is built without the memory controller of cgroup v1. */
  | 'NO_CGROUP_V1'
  /** QEMU or the guest's /init failed before the command began. */
  | 'BOOT_FAILED';

export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;
  /** Output of the guest's console or of a program, if it tells more. */
  readonly detail: string | undefined;

  constructor(code: LabErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}
