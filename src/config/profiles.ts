/** The [[profile]] sections of a file for `oomscope protect`. */
import { type OomPolicy, type Profile, type Selector, type SelectorKind, selectorKinds } from '../protect/profile.ts';
import type { Faults } from './fault.ts';
import { choice, field, list, needed, oneOrMore, optional, parsed, type Shape, table, text, whole } from './shape.ts';
import { parseToml, readToml } from './toml.ts';

const name = parsed('a name', (given) => {
  if (/^[a-z0-9][a-z0-9_-]*$/i.test(given)) return given;
  throw new Error(`expected a name of letters, digits, "-" and "_", got ${JSON.stringify(given)}.`);
});
const unit = parsed('the full name of a unit', (given) => {
  if (/^[^/\s*?[\]]+\.(service|scope|slice|socket|mount|swap)$/.test(given)) return given;
  throw new Error(`expected the full name of a unit, such as "nginx.service", got ${JSON.stringify(given)}.`);
});
const cgroup = parsed('the path of a cgroup', (given) => {
  if (/^\/.*[^/]$/.test(given)) return given;
  const what = 'the path of a cgroup below the mount point, such as "/system.slice/nginx.service"';
  throw new Error(`expected ${what}, got ${JSON.stringify(given)}.`);
});
const exe = parsed('the path or file name of a program', (given) => {
  if (given !== '' && (given.startsWith('/') || !given.includes('/'))) return given;
  throw new Error(`expected a full path, or a file name without one, got ${JSON.stringify(given)}.`);
});
const user = parsed('the name or number of a user', (given) => {
  if (/^[a-z_][a-z0-9_.-]*\$?$|^\d{1,10}$/i.test(given)) return given;
  throw new Error(`expected the name or number of a user, such as "postgres", got ${JSON.stringify(given)}.`);
});
const comm = parsed('the name of a process', (given) => {
  if (given !== '' && Buffer.byteLength(given) <= 15) return given;
  throw new Error(
    `expected a name of 1 to 15 bytes, which is all that the kernel keeps, got ${JSON.stringify(given)}.`,
  );
});

const profileTable = table({
  name: needed(name, 'name on the command line; a profile named like a built-in one replaces it'),
  about: field(text, '', 'what the profile is for'),
  oom_score_adj: needed(whole(-1000, 1000), 'oom_score_adj of its processes'),
  oom_policy: optional(choice('continue', 'stop', 'kill'), 'OOMPolicy= of its units, for drop-ins'),
  unit: optional(oneOrMore(unit), 'systemd system units: all their processes'),
  cgroup: optional(oneOrMore(cgroup), 'cgroups: all processes in and below them'),
  exe: optional(oneOrMore(exe), 'programs, by full path, or by file name in any directory'),
  user: optional(
    oneOrMore(user),
    'users that run the programs of `exe`, by name or number; needed to lower the value, root needs no mention',
  ),
  comm: optional(oneOrMore(comm), 'names of processes; any process can give itself such a name'),
});

const profileShape: Shape<Profile> = {
  schema: profileTable.schema,
  read(value, path, faults) {
    const given = profileTable.read(value, path, faults);
    if (!given) return undefined;
    const selectors = selectorKinds.flatMap((by: SelectorKind) =>
      (given[by] ?? []).map(
        (is): Selector => (by === 'exe' ? { by, is, users: given.user ?? [], units: given.unit ?? [] } : { by, is }),
      ),
    );
    if (selectors.length === 0) return faults.add(path, `expected at least one of ${selectorKinds.join(', ')}.`);
    if (given.exe && !given.user && given.oom_score_adj < 0) {
      const why = 'any user can run a program, and load other code into it';
      return faults.add(path, `expected "user" beside "exe", because ${why}; for root alone write user = "root".`);
    }
    return {
      name: given.name,
      about: given.about,
      oomScoreAdj: given.oom_score_adj,
      oomPolicy: (given.oom_policy as OomPolicy | undefined) ?? null,
      selectors,
    };
  },
};

const shape = table({ profile: needed(list(profileShape, 1), 'the profiles, one section per profile') });

/** @throws OomscopeError CONFIG, with every fault in its message */
export async function parseProfiles(toml: string, file: string): Promise<Profile[]> {
  return (await parseToml(toml, file, shape, checkNames)).profile;
}

/** @throws OomscopeError CONFIG */
export async function readProfiles(file: string): Promise<Profile[]> {
  return (await readToml(file, shape, checkNames)).profile;
}

function checkNames({ profile: profiles }: { profile: Profile[] }, faults: Faults): void {
  for (const [i, { name: own }] of profiles.entries()) {
    const other = profiles.findIndex((each) => each.name === own);
    if (other < i)
      faults.add(
        `profile[${i}].name`,
        `expected a unique name, got "${own}", the name of profile ${other + 1}: choose another.`,
      );
  }
}
