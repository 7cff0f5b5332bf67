/** Converts configurations of other early killers. Settings without an equivalent here are listed in the notes. */
import { fromEarlyoom } from './earlyoom.ts';
import type { Importable, Imported, MachineKib } from './imported.ts';
import { fromNohang } from './nohang.ts';
import { fromSystemdOomd } from './systemd-oomd.ts';

export { type Importable, type Imported, importable } from './imported.ts';

/**
 * @param text content of the file: /etc/default/earlyoom, oomd.conf, nohang.conf
 * @throws OomscopeError CONFIG, USAGE
 */
export function importConfig(from: Importable, text: string, machine: MachineKib): Imported {
  return { earlyoom: fromEarlyoom, 'systemd-oomd': fromSystemdOomd, nohang: fromNohang }[from](text, machine);
}
