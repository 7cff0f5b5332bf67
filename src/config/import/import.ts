/** Converts configurations of other early killers. Settings without an equivalent here are listed in the notes. */
import { fromEarlyoom } from './earlyoom.ts';
import type { Importable, Imported, ImportFile, MachineKib } from './imported.ts';
import { fromNohang } from './nohang.ts';
import { fromSystemdOomd } from './systemd-oomd.ts';
import type { ManagedUnit } from './systemd-units.ts';

export { type Importable, type Imported, type ImportFile, importable } from './imported.ts';

/**
 * @param files /etc/default/earlyoom; nohang.conf; or, of systemd-oomd, oomd.conf, drop-ins, unit files and rulesets, in
 *   the order in which systemd reads them
 * @param running for systemd-oomd: the units of the running systemd (see readRunning())
 * @throws OomscopeError CONFIG
 */
export function importConfig(
  from: Importable,
  files: readonly ImportFile[],
  machine: MachineKib,
  running?: readonly ManagedUnit[],
): Imported {
  return { earlyoom: fromEarlyoom, 'systemd-oomd': fromSystemdOomd, nohang: fromNohang }[from](files, machine, running);
}
