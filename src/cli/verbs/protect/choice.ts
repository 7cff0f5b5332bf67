/** What `protect plan` and `protect apply` have in common: the profiles that were named, and the plan. */

import { DEFAULT_UNDO_FILE, SYSTEMD_DIRECTORY } from '../../../protect/paths.ts';
import type { Plan, PlanOptions } from '../../../protect/plan.ts';
import type { Profile } from '../../../protect/profile.ts';
import type { Subject } from '../../../protect/subject.ts';
import { suggestion } from '../../../text/did-you-mean.ts';
import type { Words } from '../../verb/help.ts';
import { byDefault, flag, text, usage } from '../../verb/options.ts';

export const choiceOptions = {
  profiles: text('FILE', 'profiles of your own, in TOML; they are tried before the built-in ones'),
  'in-containers': flag(
    'change processes in containers as well, though their runtime or the kubelet sets their values',
  ),
};

export const profileWords: Words = { name: 'PROFILE', about: 'only these profiles, and not all' };

export const stateFile = byDefault(DEFAULT_UNDO_FILE, text('FILE', 'the undo file'));

export const systemdDir = byDefault(SYSTEMD_DIRECTORY, text('DIR', 'the directory of drop-ins'));

/** The profiles of the file come first; one with the name of a built-in one replaces it. @throws OomscopeError CONFIG, NO_INPUT */
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
  /** Were profiles named? Then one that matches nothing is a mistake. */
  named: boolean;
}

/** @param names of profiles; none: all. @throws OomscopeError USAGE: there is no such profile; CONFIG, NO_INPUT */
export async function choose(
  names: readonly string[],
  given: { profiles: string | undefined; 'in-containers': boolean | undefined },
): Promise<Choice> {
  const all = await allProfiles(given.profiles);
  const profiles = names.length === 0 ? all : [...new Set(names)].map((name) => profileNamed(all, name));
  const [{ effectiveCapabilities }, { kernelThreadNames }, { readSubjects }, { planProtection }] = await Promise.all([
    import('../../../linux/capabilities.ts'),
    import('../../../protect/kernel-threads.ts'),
    import('../../../protect/subject.ts'),
    import('../../../protect/plan.ts'),
  ]);
  const options = {
    inContainers: given['in-containers'] ?? false,
    mayLower: effectiveCapabilities().has('CAP_SYS_RESOURCE'),
    kernelThreads: kernelThreadNames(),
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
