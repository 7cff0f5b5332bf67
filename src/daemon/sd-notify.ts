/**
 * sd_notify(3): reports readiness, status and watchdog keep-alives to the service manager that started this process.
 */
import { loadNative } from '../native/addon.ts';
import { checked } from '../native/system-call.ts';

/**
 * @param state lines such as "READY=1" or "WATCHDOG=1"
 * @param socket a path, or "@name" for an abstract socket
 * @returns false: no service manager expects notifications
 * @throws OomscopeError SYSTEM_CALL, NOT_PERMITTED
 */
export function notifySystemd(state: string, socket = process.env.NOTIFY_SOCKET): boolean {
  if (!socket) return false;
  checked(loadNative().sendDatagram(socket, state), 'sendto', `notification of systemd at ${JSON.stringify(socket)}`);
  return true;
}

/**
 * Interval between "WATCHDOG=1" notifications (ms): half of systemd's timeout. undefined: systemd runs no watchdog for
 * this process.
 */
export function watchdogMs(environment: NodeJS.ProcessEnv = process.env, pid = process.pid): number | undefined {
  const microseconds = Number(environment.WATCHDOG_USEC);
  if (!Number.isSafeInteger(microseconds) || microseconds <= 0) return undefined;
  if (environment.WATCHDOG_PID !== undefined && environment.WATCHDOG_PID !== String(pid)) return undefined;
  return microseconds / 2000;
}
