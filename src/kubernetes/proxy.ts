/** HTTP proxies, as the environment or a kubeconfig names them. */
import type { AgentOptions, RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';

/**
 * The proxy for a server. HTTPS_PROXY, HTTP_PROXY and NO_PROXY have the meaning that they have for kubectl
 * (golang.org/x/net/http/httpproxy): a name in NO_PROXY also excludes the domains below it; loopback is never proxied.
 */
export function proxyFor(server: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const named = (name: string) => env[name] || env[name.toLowerCase()];
  const proxy = named(server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (proxy === undefined || isExcluded(server, named('NO_PROXY') ?? '')) return undefined;
  return URL.parse(proxy.includes('://') ? proxy : `http://${proxy}`) ?? undefined;
}

function isExcluded(server: URL, list: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost' || host === '::1' || /^127\./.test(host)) return true;
  const port = server.port || (server.protocol === 'https:' ? '443' : '80');
  return list
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '')
    .some((each) => {
      if (each === '*') return true;
      if (each.includes('/')) return isInBlock(host, each);
      const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(each) ?? [];
      if (only !== undefined && only !== port) return false;
      const bare = name.replace(/^\*?\./, '');
      return host === bare || host.endsWith(`.${bare}`);
    });
}

/** Whether an address is in a block such as "10.0.0.0/8". */
function isInBlock(host: string, block: string): boolean {
  const { BlockList, isIP } = process.getBuiltinModule('node:net');
  const [address = '', bits = ''] = block.split('/');
  const family = (of: string) => (isIP(of) === 6 ? 'ipv6' : 'ipv4');
  if (isIP(host) === 0 || isIP(address) === 0 || !/^\d{1,3}$/.test(bits)) return false;
  try {
    const list = new BlockList();
    list.addSubnet(address, Number(bits), family(address));
    return list.check(host, family(host));
  } catch {
    return false;
  }
}

/** An agent whose connections go through a tunnel of the proxy (CONNECT). */
export function tunnelAgent(proxy: URL, options: AgentOptions) {
  const { Agent } = process.getBuiltinModule('node:https');
  const tls = process.getBuiltinModule('node:tls');
  type Connected = (error: Error | null, stream: Duplex) => void;
  class TunnelAgent extends Agent {
    override createConnection(target: RequestOptions, done?: Connected): undefined {
      openTunnel(proxy, target.host ?? '', Number(target.port ?? 443)).then(
        (socket) => done?.(null, tls.connect({ ...options, ...target, socket } as ConnectionOptions)),
        (error: Error) => done?.(error, undefined as never),
      );
    }
  }
  return new TunnelAgent(options);
}

function openTunnel(proxy: URL, host: string, port: number): Promise<Socket> {
  const { request } = process.getBuiltinModule(proxy.protocol === 'https:' ? 'node:https' : 'node:http');
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const words = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const headers = {
    host: target,
    ...(proxy.username !== '' && { 'proxy-authorization': `Basic ${Buffer.from(words).toString('base64')}` }),
  };
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host: proxy.hostname, port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80) },
      ...{ method: 'CONNECT', path: target, headers, agent: false, timeout: 10_000 },
    });
    asked.once('connect', (answer, socket) => {
      if (answer.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${answer.statusCode}`));
    });
    asked.once('response', (answer) => {
      answer.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${answer.statusCode}`));
    });
    asked.once('timeout', () => asked.destroy(new Error(`the proxy ${proxy.host} does not answer`)));
    asked.once('error', reject);
    asked.end();
  });
}
