import { expect, test } from 'vitest';
import { parseProfiles } from '../../src/config/profiles.ts';

const parse = (toml: string) => parseProfiles(toml, 'profiles.toml');

test('reads a profile with every kind of selector', async () => {
  const toml = `[[profile]]
name = "backup"
about = "may wait"
oom_score_adj = 800
oom_policy = "stop"
unit = ["borg.service", "restic.service"]
cgroup = "/batch"
exe = ["/usr/bin/borg", "restic"]
user = ["backup", "34"]
comm = "a b\\nc"
`;
  expect(await parse(toml)).toEqual([
    {
      ...{ name: 'backup', about: 'may wait', oomScoreAdj: 800, oomPolicy: 'stop' },
      selectors: [
        { by: 'unit', is: 'borg.service' },
        { by: 'unit', is: 'restic.service' },
        { by: 'cgroup', is: '/batch' },
        { by: 'exe', is: '/usr/bin/borg', users: ['backup', '34'], units: ['borg.service', 'restic.service'] },
        { by: 'exe', is: 'restic', users: ['backup', '34'], units: ['borg.service', 'restic.service'] },
        { by: 'comm', is: 'a b\nc' },
      ],
    },
  ]);
});

test('reports every fault at once, each with its line', async () => {
  const toml = `[[profile]]
name = "a"
oom_score_adj = -17000
comm = "longer than the kernel keeps"

[[profile]]
name = "a"
oom_score_adj = -17
unti = "nginx.service"

[[profile]]
name = "b c"
oom_score_adj = 0
unit = "nginx"
exe = "bin/nginx"
cgroup = "system.slice"
`;
  const error = await parse(toml).catch((thrown) => thrown as Error);
  const lines = (error as Error).message.split('\n');
  expect(lines[0]).toBe('profiles.toml has 8 faults:');
  const at = lines.slice(1).map((line) => line.split(' ')[0]);
  expect(at.map((place) => place?.split(':')[1])).toEqual(['3', '4', '6', '9', '12', '14', '15', '16']);
  expect(error).toMatchObject({ code: 'CONFIG' });
  expect((error as Error).message).toContain('there is no such setting. Did you mean "unit"?');
});

test('refuses two profiles of one name', async () => {
  const toml = '[[profile]]\nname = "a"\noom_score_adj = 1\ncomm = "x"\n'.repeat(2);
  await expect(parse(toml)).rejects.toThrow('profiles.toml:6: profile[1].name: expected a unique name');
});

test('a profile that protects by program must say who runs the program', async () => {
  const toml = (more: string) => `[[profile]]\nname = "db"\noom_score_adj = -500\nexe = "mydb"\n${more}`;
  await expect(parse(toml(''))).rejects.toThrow(
    'profiles.toml:1: profile[0]: expected "user" beside "exe", because any user can run a program, and load other code into it; for root alone write user = "root".',
  );
  expect((await parse(toml('user = "mydb"')))[0]?.selectors).toMatchObject([{ users: ['mydb'] }]);
  await expect(parse(toml('user = "a b"'))).rejects.toThrow('expected the name or number of a user');
});
