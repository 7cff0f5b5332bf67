/** What `protect plan` and `protect apply` have in common: the profiles that are meant, and the plan. */
import { readProfiles } from '../../../config/profiles.ts';
import { effectiveCapabilities } from '../../../linux/capabilities.ts';
import { kernelThreadNames } from '../../../protect/kernel-threads.ts';
import { type Plan, type PlanOptions, planProtection } from '../../../protect/plan.ts';
import { builtIn, type Profile } from '../../../protect/profile.ts';
import { readSubjects, type Subject } from '../../../protect/subject.ts';
import { suggestion } from '../../../text/did-you-mean.ts';
import { flag, text, usage } from '../../verb/options.ts';

export const choiceOptions = {
  profiles: text('FILE', 'profiles of your own, in TOML; they come before the built-in ones'),
  'in-containers': flag('processes in containers, too: their runtime or the kubelet thinks it sets these values'),
};

/** Those of the file first; one with the name of a built-in one replaces it. @throws OomscopeError CONFIG */
export async function allProfiles(file: string | undefined): Promise<Profile[]> {
  const own = file === undefined ? [] : await readProfiles(file);
  return [...own, ...builtIn.filter(({ name }) => !own.some((each) => each.name === name))];
}

export interface Choice {
  profiles: Profile[];
  subjects: Subject[];
  plan: Plan;
  options: PlanOptions;
  /** Were they named? Then one that matches nothing is a mistake. */
  named: boolean;
}

/** @param names of profiles; none: all. @throws OomscopeError USAGE: there is no such profile; CONFIG */
export async function choose(
  names: readonly string[],
  given: { profiles: string | undefined; 'in-containers': boolean | undefined },
): Promise<Choice> {
  const all = await allProfiles(given.profiles);
  const profiles = names.length === 0 ? all : [...new Set(names)].map((name) => profileNamed(all, name));
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
