/**
 * Makes the addon's poller thread signal a target where the BPF program cannot (in this kernel, or for this target). The
 * thread also releases the memory of a killed target with process_mrelease(2), because until that memory is free, the kernel
 * may kill a second process.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { GuardTriggerRecord, RecordKind } from '../../bpf/wire/layout.ts';
import { OomscopeError } from '../../model/error.ts';
import type { RingReader } from '../../native/addon.ts';
import type { RecordField } from '../../native/armed-target.ts';
import { checked } from '../../native/system-call.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';
import type { ArmCondition, PollerIds } from './armed.ts';

/** Of an unsigned integer of the addon. */
const MOST_KIB = 2 ** 32 - 1;

interface PollerTarget {
  handle: ProcessHandle;
  condition: ArmCondition;
  token: bigint;
  /** CLOCK_MONOTONIC. */
  expiresNs: bigint;
  /** `if asked`: the BPF program signals most targets itself. */
  signals: 'always' | 'if asked';
}

/** @throws OomscopeError PROCESS_GONE, SYSTEM_CALL */
export function armPoller(
  reader: RingReader,
  { handle, condition, token, expiresNs, signals }: PollerTarget,
): PollerIds {
  const release = condition.signal === 'SIGKILL';
  const { pid, fd: pidfd } = handle;
  const leastKib = Math.min(MOST_KIB, Math.floor((condition.leastBytes ?? 0) / 1024));
  const statusFd = leastKib > 0 ? statusOf(handle) : -1;
  const arm = (asked: bigint, signal: number) => {
    const { offset } = GuardTriggerRecord;
    const fields: RecordField[] = [
      { offset: offset.token, bytes: 8, value: token },
      { offset: offset.asked, bytes: 4, value: asked },
    ];
    const kind = RecordKind.RECORD_GUARD_TRIGGER;
    const id = reader.arm({ pidfd, pid, statusFd, leastKib, signal, release, expiresNs, kind, fields });
    return checked(id, 'fcntl', 'a copy of a pidfd');
  };
  try {
    const asked = arm(1n, constants.signals[condition.signal]);
    try {
      return signals === 'if asked' && release ? [asked, arm(0n, 0)] : [asked];
    } catch (error) {
      reader.disarm(asked);
      throw error;
    }
  } finally {
    if (statusFd >= 0) closeSync(statusFd);
  }
}

/**
 * The caller must close it. It was read once, because the kernel allocates its buffer at the first read (fs/seq_file.c:
 * seq_read_iter()), and the next one is when memory is short. -1: this user may not read it, or too many files are open.
 */
function statusOf(handle: ProcessHandle): number {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${handle.pid}/status`, 'r');
    readSync(fd, Buffer.alloc(1), 0, 1, 0);
    if (handle.stillSame()) return fd; // so the file is that of the process of the pidfd
  } catch {
    if (fd !== undefined) closeSync(fd);
    return -1;
  }
  closeSync(fd);
  throw new OomscopeError('PROCESS_GONE', `Process ${handle.pid} has exited.`);
}
