/**
 * A real kube-apiserver with its etcd, on loopback, with RBAC. scripts/kubernetes/servers.ts compiles it from Debian's source.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { madeServers, servers } from '../../scripts/kubernetes/servers.ts';
import { type Access, findAccess } from '../../src/kubernetes/access.ts';
import { ApiError, KubernetesClient } from '../../src/kubernetes/client.ts';
import { record, text } from '../../src/kubernetes/foreign.ts';
import { freePort } from '../free-port.ts';

/** Whether the server is there, or the full tier runs, which makes it. */
export const hasApiServer = madeServers() !== undefined || (process.env.OOMSCOPE_TESTS ?? '').startsWith('all');

const START_MS = 60_000;

export class ApiServer implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  readonly admin: KubernetesClient;
  /** The token of the kubelet on the node `lab`. */
  readonly nodeToken = 'node-token';
  readonly #programs: string;
  readonly #etcdPort: number;
  readonly #flags: readonly string[];
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(programs: string, directory: string, ports: readonly [number, number], flags: readonly string[]) {
    this.directory = directory;
    this.#programs = programs;
    [this.port, this.#etcdPort] = ports;
    this.#flags = flags;
    mkdirSync(join(directory, 'certificates'));
    writeFileSync(this.kubeconfig, this.#kubeconfigText('admin-token'));
    const tokens = ['admin-token,admin,1,"system:masters"', `${this.nodeToken},system:node:lab,2,"system:nodes"`, ''];
    writeFileSync(join(directory, 'tokens.csv'), tokens.join('\n'));
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(directory, 'account.key'), keys.privateKey.export({ type: 'pkcs1', format: 'pem' }));
    writeFileSync(join(directory, 'account.pub'), keys.publicKey.export({ type: 'spki', format: 'pem' }));
    this.admin = new KubernetesClient(findAccess({ kubeconfig: this.kubeconfig, env: {} }), { env: {} });
  }

  /** @param flags further flags of kube-apiserver */
  static async start(flags: readonly string[] = []): Promise<ApiServer> {
    const programs = await servers();
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-apiserver-'));
    const server = new ApiServer(programs, directory, [await freePort(), await freePort()], flags);
    try {
      await server.#startEtcd();
      await server.up();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** A kubeconfig of the administrator. */
  get kubeconfig(): string {
    return join(this.directory, 'admin.yaml');
  }

  get certificate(): string {
    return join(this.directory, 'certificates/apiserver.crt');
  }

  /** Starts kube-apiserver, and waits until it is ready. */
  async up(): Promise<void> {
    const { directory } = this;
    this.#server = this.#spawn('kube-apiserver', [
      ...[`--etcd-servers=http://127.0.0.1:${this.#etcdPort}`, `--secure-port=${this.port}`],
      ...['--bind-address=127.0.0.1', '--advertise-address=127.0.0.1', '--insecure-port=0'],
      ...[`--cert-dir=${directory}/certificates`, '--service-cluster-ip-range=10.96.0.0/24'],
      ...['--authorization-mode=Node,RBAC', `--token-auth-file=${directory}/tokens.csv`],
      ...[
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${directory}/account.pub`,
      ],
      ...[`--service-account-signing-key-file=${directory}/account.key`, '--disable-admission-plugins=ServiceAccount'],
      ...['--endpoint-reconciler-type=none', ...this.#flags],
    ]);
    await this.#until(() => this.admin.request('/readyz?verbose').catch(readyText), 'kube-apiserver');
  }

  /** Ends kube-apiserver, as for an upgrade: with SIGTERM, or at once. Its data stay in etcd. */
  async down(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await end(this.#server, signal);
  }

  /** What the kubelet puts into a pod: a token of the service account, the certificate authority and the namespace. */
  async account(namespace: string, name: string): Promise<{ access: Access; directory: string }> {
    const directory = mkdtempSync(join(this.directory, 'account-'));
    writeFileSync(join(directory, 'token'), await this.token(namespace, name));
    writeFileSync(join(directory, 'ca.crt'), readFileSync(this.certificate));
    writeFileSync(join(directory, 'namespace'), namespace);
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(this.port) };
    return { access: findAccess({ env, account: directory, home: directory }), directory };
  }

  /** @returns the path of a kubeconfig with a token of a service account */
  async kubeconfigOf(namespace: string, name: string): Promise<string> {
    const path = join(this.directory, `${namespace}-${name}.yaml`);
    writeFileSync(path, this.#kubeconfigText(await this.token(namespace, name)));
    return path;
  }

  /** A real token of a service account (TokenRequest), as the kubelet asks for one. */
  async token(namespace: string, name: string): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } };
    const made = await this.admin.request(path, { method: 'POST', body });
    return text(record(made.status).token) ?? '';
  }

  create(path: string, body: object): Promise<Record<string, unknown>> {
    return this.admin.request(path, { method: 'POST', body });
  }

  kubectl(...words: string[]): string {
    const options = {
      encoding: 'utf8',
      env: { ...process.env, KUBECONFIG: this.kubeconfig, HOME: this.directory },
    } as const;
    return execFileSync(join(this.#programs, 'kubectl'), words, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.admin.close();
    await end(this.#server, 'SIGTERM');
    await end(this.#etcd, 'SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #startEtcd(): Promise<void> {
    const url = `http://127.0.0.1:${this.#etcdPort}`;
    this.#etcd = this.#spawn('etcd', [
      ...['--data-dir', join(this.directory, 'etcd'), '--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', 'http://127.0.0.1:0', '--unsafe-no-fsync'],
    ]);
    await this.#until(async () => (await fetch(`${url}/health`)).ok, 'etcd');
  }

  #spawn(program: string, words: string[]): ChildProcess {
    const log = join(this.directory, `${program}.log`);
    const logged = ['sh', '-c', 'exec "$0" "$@" >>"$LOG" 2>&1', join(this.#programs, program), ...words];
    // If this process is killed, the servers end, too.
    return spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...logged], {
      env: { ...process.env, LOG: log, ETCD_UNSUPPORTED_ARCH: process.arch === 'arm64' ? 'arm64' : '' },
      stdio: 'ignore',
    });
  }

  async #until(holds: () => Promise<unknown>, program: string): Promise<void> {
    const end = performance.now() + START_MS;
    for (;;) {
      const running = program === 'etcd' ? this.#etcd : this.#server;
      const answer = await holds().catch((error: Error) => error);
      if (!(answer instanceof Error)) return;
      const log = join(this.directory, `${program}.log`);
      if (running?.exitCode !== null || performance.now() > end) {
        const tail = existsSync(log) ? readFileSync(log, 'utf8').slice(-3000) : '';
        throw new Error(`${program} is not ready: ${answer.message}\n${tail}`);
      }
      await sleep(100);
    }
  }

  #kubeconfigText(token: string): string {
    const path = join(this.directory, 'certificates/apiserver.crt');
    return [
      ...['apiVersion: v1', 'kind: Config', 'current-context: test', 'clusters:', '- name: test', '  cluster:'],
      ...[`    server: https://127.0.0.1:${this.port}`, `    certificate-authority: ${path}`],
      ...['contexts:', '- name: test', '  context: {cluster: test, user: admin}'],
      ...['users:', '- name: admin', '  user:', `    token: ${token}`, ''],
    ].join('\n');
  }
}

/** /readyz answers with text, which is not an error here. */
function readyText(error: Error): Error | string {
  return error instanceof ApiError && error.status === 0 && error.message.includes('not JSON') ? 'ready' : error;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(late);
}
