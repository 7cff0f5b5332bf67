/** Why a guest could not be booted, or its answer not be had; the message is for a person. */
export type LabErrorCode =
  /** A bad option or file. */
  | 'USAGE'
  /** QEMU, busybox, apt or another program of this machine is missing. */
  | 'NOT_INSTALLED'
  /** The kernel package cannot be had. */
  | 'NO_KERNEL'
  /** This kernel is built without the memory controller of cgroup v1. */
  | 'NO_CGROUP_V1'
  /** QEMU or the guest's /init failed before the command began. */
  | 'BOOT_FAILED';

export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;
  /** The guest's console, or a program's output, where that tells more. */
  readonly detail: string | undefined;

  constructor(code: LabErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}
