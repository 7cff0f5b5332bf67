/**
 * Which requests a listener admits. A page of another site that the user has open in a browser can send requests to
 * loopback addresses: the checks of Host and Origin refuse them, also after the site's name was pointed at 127.0.0.1
 * (DNS rebinding).
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Route } from './route.ts';
import { isToken } from './token.ts';

/** Why a request is refused. */
export interface Refusal {
  status: number;
  /** A sentence for the client. */
  message: string;
  headers?: Readonly<Record<string, string>>;
}

/** The part of a request that decides about it. */
type Head = Pick<IncomingMessage, 'headers' | 'rawHeaders'>;

export interface Admission {
  /** Whether only this machine can connect. */
  loopback: boolean;
  /** Further names that clients may use for this machine, such as the name of a Kubernetes service. */
  hosts: readonly string[];
  token: string | undefined;
}

/** @returns undefined: the request is admitted */
export function refusalOf(request: Head, access: Route['access'], admission: Admission): Refusal | undefined {
  return hostRefusal(request, admission) ?? originRefusal(request) ?? tokenRefusal(request, access, admission.token);
}

function hostRefusal({ headers, rawHeaders }: Head, { loopback, hosts }: Admission): Refusal | undefined {
  const count = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length;
  const [, six, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(headers.host ?? '') ?? [];
  const host = six ?? name?.toLowerCase();
  if (count !== 1 || host === undefined) return { status: 400, message: 'Expected one Host header.' };
  // Rebinding needs a name. An address in the Host header is the address that the client itself connects to.
  const isKnown = loopback
    ? /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host)
    : isIP(host) !== 0 || host === 'localhost' || host === hostname().toLowerCase();
  if (isKnown || hosts.includes(host)) return undefined;
  return { status: 403, message: `The host ${host.slice(0, 100)} is not a name of this server.` };
}

function originRefusal({ headers }: Head): Refusal | undefined {
  const refused: Refusal = { status: 403, message: 'Requests of other sites are not allowed.' };
  const { host, origin } = headers;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) return refused;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
  // A link from another site, such as Grafana, may open the page, which has no data without the token.
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document' ? undefined : refused;
}

function tokenRefusal({ headers }: Head, access: Route['access'], token: string | undefined): Refusal | undefined {
  if (access === 'open') return undefined;
  const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (token !== undefined && given !== undefined && isToken(given, token)) return undefined;
  const message = given === undefined ? 'Expected the header "Authorization: Bearer TOKEN".' : 'The token is wrong.';
  return { status: 401, message, headers: { 'WWW-Authenticate': 'Bearer' } };
}
