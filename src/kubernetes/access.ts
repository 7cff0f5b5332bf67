/** How to reach the Kubernetes API: by the service account of the pod, or by a kubeconfig. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { OomscopeError } from '../model/error.ts';
import { suggestion } from '../text/did-you-mean.ts';
import { printable } from '../text/printable.ts';
import { items, record, text } from './foreign.ts';
import { parseYaml } from './yaml.ts';

/** A file, which is read again when it changes, or the bytes themselves. */
export type Source = { file: string } | { data: Buffer };

/** A program of a kubeconfig that prints credentials. */
export interface ExecPlugin {
  command: string;
  args: string[];
  env: Record<string, string>;
  apiVersion: string;
}

export interface Access {
  /** Where the access comes from, for messages: "the service account", "~/.kube/config, context prod". */
  from: string;
  server: URL;
  /** The namespace of the service account or of the context. */
  namespace: string;
  ca?: Source;
  cert?: Source;
  key?: Source;
  token?: Source;
  exec?: ExecPlugin;
  /** `insecure-skip-tls-verify` of the kubeconfig. */
  insecure: boolean;
  serverName?: string;
  proxy?: URL;
}

export interface AccessOptions {
  /** Path of a kubeconfig, instead of KUBECONFIG, the service account and ~/.kube/config. */
  kubeconfig?: string | undefined;
  /** The context of the kubeconfig; default: its `current-context`. */
  context?: string | undefined;
  env?: NodeJS.ProcessEnv;
  /** Directory of the service account's files. */
  account?: string;
  home?: string;
}

export const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Finds the access in the order of kubectl, except that the service account of a pod comes before ~/.kube/config.
 *
 * @throws OomscopeError NO_INPUT: there is neither a service account nor a kubeconfig; BAD_INPUT: the kubeconfig has a
 *   fault; KUBERNETES: the service account is incomplete
 */
export function findAccess(options: AccessOptions = {}): Access {
  const { kubeconfig, context, env = process.env, account = ACCOUNT, home = homedir() } = options;
  if (kubeconfig !== undefined) return readKubeconfigs([kubeconfig], context);
  const listed = (env.KUBECONFIG ?? '').split(':').filter((path) => path !== '');
  if (listed.length > 0) return readKubeconfigs(listed, context);
  if (env.KUBERNETES_SERVICE_HOST !== undefined && context === undefined) return ofAccount(env, account);
  const own = join(home, '.kube/config');
  if (existsSync(own)) return readKubeconfigs([own], context);
  throw new OomscopeError(
    'NO_INPUT',
    `There is no way to the Kubernetes API: this is not a pod (KUBERNETES_SERVICE_HOST is not set), and ${own} does not exist. Name a kubeconfig by --kubeconfig, KUBECONFIG, or \`kubeconfig\` in [kubernetes].`,
  );
}

function ofAccount(env: NodeJS.ProcessEnv, account: string): Access {
  const host = env.KUBERNETES_SERVICE_HOST as string;
  const token = join(account, 'token');
  if (!existsSync(token)) {
    throw new OomscopeError(
      'KUBERNETES',
      `The pod has no service account token (${token}): set automountServiceAccountToken: true.`,
    );
  }
  const place = host.includes(':') ? `[${host}]` : host;
  const server = URL.parse(`https://${place}:${env.KUBERNETES_SERVICE_PORT ?? '443'}`);
  if (!server) throw new OomscopeError('KUBERNETES', `KUBERNETES_SERVICE_HOST is not an address: ${printable(host)}.`);
  let namespace = 'default';
  try {
    namespace = readFileSync(join(account, 'namespace'), 'utf8').trim() || namespace;
  } catch {
    // The namespace matters only to verbs, which have an option for it.
  }
  const ca = join(account, 'ca.crt');
  return {
    ...{ from: 'the service account', server, namespace, token: { file: token }, insecure: false },
    ...(existsSync(ca) && { ca: { file: ca } }),
  };
}

interface Named {
  name: string;
  value: Record<string, unknown>;
  /** Directory of the file, from which its relative paths count. */
  directory: string;
}

function readKubeconfigs(paths: readonly string[], asked: string | undefined): Access {
  const files = paths.map((path) => ({ path, content: readKubeconfig(path) }));
  const shown = printable(paths.join(':'));
  const all = (list: string, key: string): Named[] =>
    files.flatMap(({ path, content }) =>
      items(content[list]).map((each) => ({
        name: text(record(each).name) ?? '',
        value: record(record(each)[key]),
        directory: dirname(resolve(path)),
      })),
    );
  const bad = (problem: string) => new OomscopeError('BAD_INPUT', `${shown}: ${problem}`);
  const pick = (list: string, key: string, name: string, by: string): Named => {
    const known = all(list, key);
    const found = known.find((each) => each.name === name);
    if (found) return found;
    const names = known.slice(0, 50).map((each) => printable(each.name));
    const near = names.length > 0 ? suggestion(printable(name), names) : `The list "${list}" is empty.`;
    throw bad(`there is no ${key} "${printable(name)}"${by}. ${near}`);
  };
  const current = asked ?? files.map(({ content }) => text(content['current-context'])).find((each) => each !== null);
  if (current === undefined || current === null) throw bad('expected "current-context", or a context by --context.');
  const context = pick('contexts', 'context', current, '');
  const by = `, which the context "${printable(current)}" names`;
  const cluster = pick('clusters', 'cluster', text(context.value.cluster) ?? '', by);
  const userName = text(context.value.user);
  const user = userName === null ? undefined : pick('users', 'user', userName, by);
  const server = URL.parse(text(cluster.value.server) ?? '');
  if (server?.protocol !== 'https:' && server?.protocol !== 'http:')
    throw bad(`the cluster "${printable(cluster.name)}" has no server with https:// or http://.`);
  return {
    from: `${shown}, context ${printable(current)}`,
    ...{ server, namespace: text(context.value.namespace) ?? 'default' },
    ...ofCluster(cluster),
    ...(user ? ofUser(user, bad) : {}),
  };
}

function readKubeconfig(path: string): Record<string, unknown> {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    throw new OomscopeError('NO_INPUT', `Cannot read the kubeconfig ${printable(path)}: ${(error as Error).message}.`);
  }
  try {
    return record(parseYaml(source));
  } catch (error) {
    throw new OomscopeError('BAD_INPUT', `${printable(path)}, ${(error as Error).message}`);
  }
}

function ofCluster({ value, directory }: Named): Pick<Access, 'ca' | 'insecure' | 'serverName' | 'proxy'> {
  const ca = sourceOf(value, 'certificate-authority', directory);
  const serverName = text(value['tls-server-name']);
  const proxy = URL.parse(text(value['proxy-url']) ?? '');
  return {
    insecure: value['insecure-skip-tls-verify'] === true,
    ...(ca && { ca }),
    ...(serverName !== null && { serverName }),
    ...(proxy && { proxy }),
  };
}

function ofUser(
  { name, value, directory }: Named,
  bad: (problem: string) => OomscopeError,
): Pick<Access, 'cert' | 'key' | 'token' | 'exec'> {
  const cert = sourceOf(value, 'client-certificate', directory);
  const key = sourceOf(value, 'client-key', directory);
  if ((cert === undefined) !== (key === undefined))
    throw bad(`the user "${printable(name)}" has only one of client-certificate and client-key.`);
  const written = text(value.token);
  const file = text(value.tokenFile);
  const token: Source | undefined =
    file !== null ? { file: resolve(directory, file) } : written !== null ? { data: Buffer.from(written) } : undefined;
  const exec = value.exec === undefined || value.exec === null ? undefined : pluginOf(record(value.exec));
  return { ...(cert && key && { cert, key }), ...(token && { token }), ...(exec && !token && { exec }) };
}

function pluginOf(exec: Record<string, unknown>): ExecPlugin {
  const env = items(exec.env)
    .map(record)
    .map(({ name, value }) => [text(name) ?? '', text(value) ?? '']);
  return {
    command: text(exec.command) ?? '',
    args: items(exec.args).map(String),
    env: Object.fromEntries(env.filter(([name]) => name !== '')),
    apiVersion: text(exec.apiVersion) ?? 'client.authentication.k8s.io/v1',
  };
}

/** "KEY-data" with base64, or "KEY" with a path. */
function sourceOf(value: Record<string, unknown>, key: string, directory: string): Source | undefined {
  const data = text(value[`${key}-data`]);
  if (data !== null) return { data: Buffer.from(data, 'base64') };
  const file = text(value[key]);
  return file === null ? undefined : { file: resolve(directory, file) };
}
