/** Finds the kernel's own record of an OOM kill: its line in /dev/kmsg. */
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';

/** The first pid namespace: PROC_PID_INIT_INO (include/linux/proc_ns.h). The kernel logs the pids of that one. */
const FIRST_NAMESPACE = 'pid:[4026531836]';

/**
 * Whether the kernel's log says that the OOM killer has killed this process (mm/oom_kill.c: __oom_kill_process(), one
 * line for each process, without a limit of their rate). null: unknown, because the log cannot be read, or this process
 * sees other pids than the log has. Takes 5 ms for 1500 records.
 *
 * @param sinceUs when the process started (CLOCK_MONOTONIC in µs), because an earlier process may have had its pid
 * @param path the log; a process may write to it, too, but not with the facility of the kernel (a number below 8)
 */
export function loggedKill(pid: number, sinceUs: number, path = '/dev/kmsg'): boolean | null {
  let fd: number | undefined;
  try {
    if (readlinkSync('/proc/self/ns/pid') !== FIRST_NAMESPACE) return null;
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const killed = new RegExp(`^[0-7],\\d+,(\\d+),[^;\\n]*;(?:[^:=\\n]*: )?Killed process ${pid} \\(`, 'gm');
    return isKilledIn(fd, (records) =>
      [...records.matchAll(killed)].some(([, us]) => Number(us) >= sinceUs - CLOCKS_US),
    );
  } catch {
    return null;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** PRINTKRB_RECORD_MAX is 1 KiB, and an escape makes 4 bytes of 1. */
const RECORD_BYTES = 8192;

/** The clock of the log is not adjusted as CLOCK_MONOTONIC is (kernel/printk: local_clock()). */
const CLOCKS_US = 60e6;

function isKilledIn(fd: number, hasKill: (records: string) => boolean): boolean {
  const record = Buffer.alloc(RECORD_BYTES);
  for (;;) {
    try {
      const length = readSync(fd, record); // one record, or for a regular file as much as fits
      if (length === 0) return false;
      if (hasKill(record.toString('latin1', 0, length))) return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return false; // there are no more records
      if (code !== 'EPIPE') throw error; // EPIPE: the record was overwritten, and the next read returns the oldest one
    }
  }
}
