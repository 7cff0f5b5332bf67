/** The common part of `protect plan` and `protect apply`: choosing the profiles, and making the plan. */

import { DEFAULT_UNDO_FILE, SYSTEMD_DIRECTORY } from '../../../protect/paths.ts';
import type { Plan, PlanOptions } from '../../../protect/plan.ts';
import type { Profile } from '../../../protect/profile.ts';
import type { Subject } from '../../../protect/subject.ts';
import { suggestion } from '../../../text/did-you-mean.ts';
import type { Words } from '../../verb/help.ts';
import { byDefault, flag, text, usage } from '../../verb/options.ts';

export const choiceOptions = {
  profiles: text('FILE', 'your own profiles, in TOML; they are tried before the built-in profiles'),
  'in-containers': flag('also change processes in containers, although their runtime or the kubelet sets these values'),
};

export const profileWords: Words = { name: 'PROFILE', about: 'use only these profiles; by default all are used' };

export const stateFile = byDefault(DEFAULT_UNDO_FILE, text('FILE', 'the undo file'));

export const systemdDir = byDefault(SYSTEMD_DIRECTORY, text('DIR', 'the directory of drop-ins'));

/**
 * The profiles of the file, then the built-in ones. A profile of the file replaces a built-in profile of the same
 * name.
 *
 * @throws OomscopeError CONFIG, NO_INPUT
 */
export async function allProfiles(file: string | undefined): Promise<Profile[]> {
  const { builtIn } = await import('../../../protect/profile.ts');
  if (file === undefined) return [...builtIn];
  const { readProfiles } = await import('../../../config/profiles.ts');
  const own = await readProfiles(file);
  return [...own, ...builtIn.filter(({ name }) => !own.some((each) => each.name === name))];
}

export interface Choice {
  profiles: Profile[];
  subjects: Subject[];
  plan: Plan;
  options: PlanOptions;
  /** Did the user name profiles? Then a profile that matches no process is reported as a mistake. */
  named: boolean;
}

/**
 * @param names names of profiles; an empty list selects all.
 * @throws OomscopeError USAGE: there is no such profile; CONFIG, NO_INPUT
 */
export async function choose(
  names: readonly string[],
  given: { profiles: string | undefined; 'in-containers': boolean | undefined },
): Promise<Choice> {
  const all = await allProfiles(given.profiles);
  const profiles = names.length === 0 ? all : [...new Set(names)].map((name) => profileNamed(all, name));
  const [{ effectiveCapabilities }, { kernelThreadNames }, { readSubjects }, { planProtection }, { userIds }] =
    await Promise.all([
      import('../../../linux/capabilities.ts'),
      import('../../../protect/kernel-threads.ts'),
      import('../../../protect/subject.ts'),
      import('../../../protect/plan.ts'),
      import('../../../linux/users.ts'),
    ]);
  const options = {
    inContainers: given['in-containers'] ?? false,
    mayLower: effectiveCapabilities().has('CAP_SYS_RESOURCE'),
    kernelThreads: kernelThreadNames(),
    uids: userIds(),
  };
  const subjects = readSubjects();
  return {
    ...{ profiles, subjects, options, named: names.length > 0 },
    plan: planProtection(subjects, profiles, options),
  };
}

function profileNamed(all: readonly Profile[], name: string): Profile {
  const found = all.find((profile) => profile.name === name);
  if (found) return found;
  const names = all.map((profile) => profile.name);
  throw usage(`There is no profile "${name}". ${suggestion(name, names)} \`oomscope protect list\` shows them.`);
}
