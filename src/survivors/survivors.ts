/**
 * Programs that must survive a shortage of memory, and programs that may go first, each with its oom_score_adj. `doctor`,
 * `protect`, `explain` and the guard's default protection read this table, so that all of them say the same.
 *
 * Where a project ships a value, that value stands here. It imports nothing: `explain` runs in a browser, too.
 */

/**
 * - `access`: the way in. `system`: what a login and the network need. `desktop`: the user's session.
 * - `containers`: runtimes and their supervisors. Containers outlive most of them, but cannot be managed without.
 * - `database`, `web`: services that others wait for. `expendable`: started again by a click.
 */
export type SurvivorKind = 'access' | 'system' | 'containers' | 'desktop' | 'database' | 'web' | 'expendable';

export interface Survivor {
  /** Regular expression over the whole name of the process, of which the kernel keeps 15 bytes. */
  comm: string;
  kind: SurvivorKind;
  /** The oom_score_adj that it should have. null: the guard spares it or not by its kind, and no value is recommended. */
  adj: number | null;
  /**
   * Whose practice the value is.
   * - `program`: it writes the value itself when it starts.
   * - `unit`: the unit that its project or its distribution ships.
   * - `ours`: no project ships one.
   */
  setBy: 'program' | 'unit' | 'ours';
  /** Its systemd units, the usual one first. */
  units: readonly string[];
  /** File names, or paths, of its program. */
  programs: readonly string[];
  /** Environment that its unit needs beside the value, so that its children do not keep it. */
  environment?: readonly string[];
  /** What its loss costs. */
  why: string;
}

/** For what a machine cannot be used without. As dbus.service and systemd-oomd.service ship it; not -1000: see sshd. */
export const SYSTEM_ADJ = -900;
/** As mariadb.service names it. No database is made unkillable: when it is what grows, everything else would die first. */
export const DATABASE_ADJ = -600;
/** For any other service that must stay. As docker.service ships it. */
export const MUST_STAY_ADJ = -500;
export const WEB_ADJ = -300;
/** Browsers give their own tabs 200 to 300. */
export const EXPENDABLE_ADJ = 300;

const CONTAINERS = 'Containers cannot be managed while it is gone.';
const DATABASE = 'A kill ends all connections, and recovery takes minutes.';

export const survivors: readonly Survivor[] = [
  // sshd writes -1000 for its listener (openbsd-compat/port-linux.c) and gives each session what it found at its start: a
  // value in its unit, or one that is written later, would make every login and all that is started there unkillable.
  of('access', 'sshd(-session|-auth)?', -1000, 'program', 'Without it no new login is possible.', {
    units: ['ssh.service', 'sshd.service'],
    programs: ['/usr/sbin/sshd'],
  }),

  of('system', 'systemd-udevd', -1000, 'unit', 'Devices that appear are not set up while it is gone.'),
  of('system', 'systemd-journal', -250, 'unit', 'What happens is not logged while it is gone.'),
  of('system', 'systemd-oomd', SYSTEM_ADJ, 'unit', 'The cgroups that it manages are not watched while it is gone.'),
  of('system', 'dbus-daemon', SYSTEM_ADJ, 'unit', 'Every program that uses the bus fails.', {
    units: ['dbus.service'],
  }),
  of('system', 'dbus-broker.*', SYSTEM_ADJ, 'unit', 'Every program that uses the bus fails.', {
    units: ['dbus-broker.service'],
  }),
  of('system', 'systemd-logind', SYSTEM_ADJ, 'ours', 'Logins hang while it is gone.', {
    units: ['systemd-logind.service'],
  }),
  of('system', 'systemd-network', SYSTEM_ADJ, 'ours', 'Addresses expire while it is gone.', {
    units: ['systemd-networkd.service'],
  }),
  of('system', 'NetworkManager', SYSTEM_ADJ, 'ours', 'Addresses expire while it is gone.', {
    units: ['NetworkManager.service'],
  }),
  of('system', 'systemd.*|\\(sd-pam\\)|init|agetty|login|udevd|polkitd', null, 'ours', 'A login needs it.'),

  of('containers', 'dockerd', -500, 'unit', CONTAINERS, { units: ['docker.service'] }),
  of('containers', 'containerd', -999, 'unit', CONTAINERS, { units: ['containerd.service'] }),
  of('containers', 'crio', -999, 'unit', CONTAINERS, { units: ['crio.service'] }),
  of('containers', 'kubelet', -999, 'program', 'The node counts as lost while it is gone.', {
    units: ['kubelet.service'],
  }),
  of('containers', 'conmon', -1000, 'program', 'The output and the exit status of its container are lost.'),
  of('containers', 'containerd.*|k3s.*|runc|crun', null, 'ours', CONTAINERS),

  of('desktop', 'Xorg|Xwayland|gnome-shell|kwin_.*|plasmashell|sway', null, 'ours', 'The whole session ends with it.'),

  // PostgreSQL's documentation has -1000 for the postmaster, and its backends put themselves back to 0. Debian's unit has
  // -900, which does the same, and leaves the kernel a way out where the environment is missing and backends inherit it.
  of(
    'database',
    'postgres|postmaster',
    SYSTEM_ADJ,
    'unit',
    'When one of its processes is killed, it restarts all of them.',
    {
      units: ['postgresql.service'],
      programs: ['postgres', 'postmaster'],
      environment: ['PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj', 'PG_OOM_ADJUST_VALUE=0'],
    },
  ),
  of('database', 'mysqld', DATABASE_ADJ, 'ours', DATABASE, { units: ['mysql.service'], programs: ['mysqld'] }),
  of('database', 'mariadbd', DATABASE_ADJ, 'unit', DATABASE, { units: ['mariadb.service'], programs: ['mariadbd'] }),
  of('database', 'mongod', DATABASE_ADJ, 'ours', DATABASE, { units: ['mongod.service'], programs: ['mongod'] }),
  of('database', 'redis-server|redis-check-rdb', DATABASE_ADJ, 'ours', 'What it has not written to disk is lost.', {
    units: ['redis-server.service'],
    programs: ['redis-server', 'redis-check-rdb'],
  }),
  of('database', 'valkey-server', DATABASE_ADJ, 'ours', 'What it has not written to disk is lost.', {
    units: ['valkey-server.service'],
    programs: ['valkey-server'],
  }),

  of(
    'web',
    'nginx|apache2|httpd|haproxy|caddy|envoy|traefik|lighttpd',
    WEB_ADJ,
    'ours',
    'The services behind it cannot be reached.',
    {
      programs: ['nginx', 'apache2', 'httpd', 'haproxy', 'caddy', 'envoy', 'traefik', 'lighttpd'],
    },
  ),
  of(
    'expendable',
    'chrome|chromium|firefox.*|code|idea|pycharm',
    EXPENDABLE_ADJ,
    'ours',
    'It is started again by a click.',
    {
      programs: ['chrome', 'chromium', 'firefox', 'firefox-esr', 'firefox-bin', 'code', 'idea', 'pycharm'],
    },
  ),
];

/** The entry of a process by its name; undefined: it is not in the table. */
export function survivorOf(comm: string): Survivor | undefined {
  return survivors[patterns.findIndex((pattern) => pattern.test(comm))];
}

const patterns = survivors.map(({ comm }) => new RegExp(`^(?:${comm})$`));

export const survivorsOf = (...kinds: SurvivorKind[]): Survivor[] =>
  survivors.filter(({ kind }) => kinds.includes(kind));

/** The lines of a [Service] section that give a program its value. */
export function serviceLines({ adj, environment = [] }: Pick<Survivor, 'adj' | 'environment'>): string[] {
  return [
    ...(adj === null ? [] : [`OOMScoreAdjust=${adj}`]),
    ...(environment.length === 0 ? [] : [`Environment=${environment.join(' ')}`]),
  ];
}

function of(
  kind: SurvivorKind,
  comm: string,
  adj: number | null,
  setBy: Survivor['setBy'],
  why: string,
  more: Partial<Pick<Survivor, 'units' | 'programs' | 'environment'>> = {},
): Survivor {
  return { comm, kind, adj, setBy, units: [], programs: [], why, ...more };
}
