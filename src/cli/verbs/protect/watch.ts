/** Implements `oomscope protect apply --watch`. */
import { survive } from '../../../process/survival.ts';
import type { UndoLedger } from '../../../process/undo-ledger.ts';
import type { Applied } from '../../../protect/apply.ts';
import { ProfileApplier } from '../../../protect/profile-applier.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { tell } from '../../verb/tell.ts';
import type { Choice } from './choice.ts';

/** Applies the profiles to running and to new processes, until a signal arrives or the reader closes the output. */
export async function watchProfiles(
  { profiles, options: plan, plan: first }: Choice,
  ledger: UndoLedger,
  onApplied: (applied: Applied, latencyNs: bigint | null) => void,
  realtime: boolean,
): Promise<void> {
  survive({ nice: -20 }); // before the threads of the addon start, because they inherit the priority
  const ending = new RunUntil();
  ending.bySignals();
  process.stdout.on('error', ending.now);
  using applier = new ProfileApplier({
    ...{ profiles, plan, ledger, onApplied },
    onLost: (count) => tell(`${count} exec events were lost, so all processes are checked again.`),
    onError: ending.fail,
  });
  if (realtime) {
    const refused = survive({ realtimePriority: 1 }).survived.realtimePriority;
    if (refused) tell(`--realtime: ${refused}`);
  }
  applier.applyToAll(first);
  applier.applyToAll(); // includes processes that started after the plan was made
  tell('Watching for new processes. Ctrl-C stops; the values stay until `oomscope protect undo`.');
  await ending.comes();
  ending.throwFailure();
}
