/** Whether this process may end the processes that a guard would choose. */
import { effectiveCapabilities } from '../linux/capabilities.ts';
import { OomscopeError } from '../model/error.ts';
import { foreignProc } from '../process/own-proc.ts';

/** @throws OomscopeError USAGE: /proc is that of another pid namespace; NOT_PERMITTED: neither root nor CAP_KILL */
export function checkMayEnforce(): void {
  const foreign = foreignProc();
  if (foreign !== undefined) {
    const remedy = 'Mount the /proc of this namespace, or run the guard in the namespace of that /proc.';
    throw new OomscopeError(
      'USAGE',
      `The guard cannot enforce, because it could signal the wrong process: ${foreign}. ${remedy}`,
    );
  }
  if (process.geteuid?.() === 0 || effectiveCapabilities().has('CAP_KILL')) return;
  throw new OomscopeError(
    'NOT_PERMITTED',
    'The guard cannot enforce, because it may signal only the processes of its own user. Run it as root, or with CAP_KILL.',
  );
}
