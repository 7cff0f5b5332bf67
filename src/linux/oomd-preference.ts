import { statSync } from 'node:fs';
import type { SampledCgroup } from '../model/sample.ts';
import { loadNative } from '../native/addon.ts';

/**
 * Reads the extended attributes of systemd-oomd: `user.oomd_avoid` (kill the cgroup's processes last) and
 * `user.oomd_omit` (never kill them). Only cgroups that root owns count, because users may set attributes on cgroups
 * that are delegated to them.
 */
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
