/**
 * Profiles: which oom_score_adj a kind of program should have, and by what it is known. Known exactly, never by a part of
 * its name: `code` must not be `postcode`.
 */
export interface Profile {
  name: string;
  about: string;
  /** In thousandths of the memory in question: −1000 is never killed, 1000 always first. */
  oomScoreAdj: number;
  /** systemd's OOMPolicy= for its units. null: left as it is. */
  oomPolicy: OomPolicy | null;
  /** One of them is enough. */
  selectors: Selector[];
}

/** What systemd does with a unit of which a process was OOM-killed; `kill` sets memory.oom.group, too. */
export type OomPolicy = 'continue' | 'stop' | 'kill';

export const selectorKinds = ['unit', 'cgroup', 'exe', 'comm'] as const;
export type SelectorKind = (typeof selectorKinds)[number];

export interface Selector {
  by: SelectorKind;
  is: string;
}

/**
 * The old numbers of guides (−17, −10, −5) are those of oom_adj, gone since 2012. A database is not made unkillable: where it
 * is the one that grows, the kernel would take everything else and then stand still. None of those that protect goes by
 * comm, which any process can give itself.
 */
export const builtIn: readonly Profile[] = [
  profile('critical', -900, null, 'without it nobody can log in or see what happens', {
    unit: ['ssh.service', 'sshd.service', 'dbus.service', 'dbus-broker.service', 'systemd-logind.service'].concat([
      'systemd-networkd.service',
      'NetworkManager.service',
    ]),
    exe: ['/usr/sbin/sshd'],
  }),
  profile('database', -600, 'continue', 'a kill ends all connections, and recovery takes minutes', {
    exe: ['postgres', 'mysqld', 'mariadbd', 'mongod', 'redis-server', 'redis-check-rdb', 'valkey-server'],
  }),
  profile('web', -300, 'continue', 'in front of others; one worker less is soon replaced', {
    exe: ['nginx', 'apache2', 'httpd', 'haproxy', 'caddy', 'envoy', 'traefik', 'lighttpd'],
  }),
  profile('expendable', 300, null, 'started again by a click: browsers, editors', {
    exe: ['chrome', 'chromium', 'firefox', 'firefox-esr', 'firefox-bin', 'code', 'idea', 'pycharm'],
  }),
];

function profile(
  name: string,
  oomScoreAdj: number,
  oomPolicy: OomPolicy | null,
  about: string,
  by: Partial<Record<SelectorKind, string[]>>,
): Profile {
  const selectors = selectorKinds.flatMap((kind) => (by[kind] ?? []).map((is) => ({ by: kind, is })));
  return { name, about, oomScoreAdj, oomPolicy, selectors };
}
