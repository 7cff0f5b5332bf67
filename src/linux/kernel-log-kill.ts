/** Finds the kernel's own record of an OOM kill: its line in /dev/kmsg. */
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';

/** The first pid namespace: PROC_PID_INIT_INO (include/linux/proc_ns.h). The kernel logs the pids of that one. */
const FIRST_NAMESPACE = 'pid:[4026531836]';

/**
 * Whether the kernel's log says that the OOM killer has killed this process (mm/oom_kill.c: __oom_kill_process(), one
 * line for each process, without a limit of their rate). null: unknown, because the log cannot be read, or this process
 * sees other pids than the log has. Takes 5 ms for 1500 records.
 *
 * @param path the log; a process may write to it, too, but not with the facility of the kernel (a number below 8)
 */
export function loggedKill(pid: number, path = '/dev/kmsg'): boolean | null {
  let fd: number | undefined;
  try {
    if (readlinkSync('/proc/self/ns/pid') !== FIRST_NAMESPACE) return null;
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return isKilledIn(fd, new RegExp(`^[0-7],[^;\\n]*;(?:[^:=\\n]*: )?Killed process ${pid} \\(`, 'm'));
  } catch {
    return null;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** PRINTKRB_RECORD_MAX is 1 KiB, and an escape makes 4 bytes of 1. */
const RECORD_BYTES = 8192;

function isKilledIn(fd: number, killed: RegExp): boolean {
  const record = Buffer.alloc(RECORD_BYTES);
  for (;;) {
    try {
      const length = readSync(fd, record); // one record, or for a regular file as much as fits
      if (length === 0) return false;
      if (killed.test(record.toString('latin1', 0, length))) return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return false; // there are no more records
      if (code !== 'EPIPE') throw error; // EPIPE: the record was overwritten, and the next read returns the oldest one
    }
  }
}
