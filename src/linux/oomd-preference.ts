/**
 * What a cgroup's owner asked of systemd-oomd, and so of us: `user.oomd_avoid`, last of all; `user.oomd_omit`, never.
 * Only where root owns the cgroup: anybody may set attributes on what is delegated to them.
 */
import { statSync } from 'node:fs';
import type { SampledCgroup } from '../model/sample.ts';
import { loadNative } from '../native/addon.ts';

export function oomdPreference(directory: string): SampledCgroup['preference'] {
  const { readAttribute } = loadNative();
  const is = (name: string) => /^(1|yes|y|true|t|on)$/i.test(readAttribute(directory, name) ?? '');
  const found = is('user.oomd_omit') ? 'omit' : is('user.oomd_avoid') ? 'avoid' : null;
  return found !== null && ownedByRoot(directory) ? found : null;
}

function ownedByRoot(directory: string): boolean {
  try {
    return statSync(directory).uid === 0;
  } catch {
    return false;
  }
}
