/**
 * Opens a sink by its name and options, as the command line and the configuration give them.
 */

import { OomscopeError } from '../model/error.ts';
import { suggestion } from '../text/did-you-mean.ts';
import { printable } from '../text/printable.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import type { LaneOptions } from './lane.ts';
import { readSecret, type Secret } from './secret.ts';
import {
  commonOptions,
  type OpenOptions,
  type OptionName,
  type SinkKind,
  type SinkOptions,
  sinkKind,
  sinkKinds,
  sinkOptions,
} from './sink-table.ts';
import { publicUrl, urlProblem } from './sinks/http.ts';

/**
 * Opens a sink for `alertTo()`, so that a wrong option is reported before anything starts.
 *
 * @param onTrouble called when the spool cannot write or read a file; failed deliveries are reported by the lane
 * @throws OomscopeError USAGE
 */
export async function openSink(options: SinkOptions, onTrouble?: (message: string) => void): Promise<LaneOptions> {
  const kind = kindOf(options.sink);
  refuseUnknownOptions(`openSink() of "${options.sink}"`, options, optionNames);
  const foreign = foreignTo(options);
  const problem = targetProblem(options);
  if (problem !== undefined) throw wrong(options.sink, problem);
  if (foreign.length > 0)
    throw wrong(options.sink, `expected no "${foreign.join('", "')}": this sink has no such option.`);
  const sink = await kind.open(openOptions(options, kind), targetOf(options, kind));
  const { minimum } = options;
  return { sink, ...(minimum !== undefined && { minimum }), ...(await openQueue(options, onTrouble)) };
}

/**
 * @returns the queue of a sink that has a spool; nothing for others, whose queue is in memory
 * @throws OomscopeError USAGE
 */
export async function openQueue(
  { spool: directory, spoolBytes: mostBytes }: SinkOptions,
  onTrouble?: (message: string) => void,
): Promise<Pick<LaneOptions, 'queue'>> {
  if (directory === undefined) return {};
  const { Spool } = await import('./spool.ts');
  const options = { directory, ...(mostBytes !== undefined && { mostBytes }), ...(onTrouble && { onTrouble }) };
  return { queue: new Spool(options) };
}

/**
 * A text that is equal for options that open the same sink. It includes the secrets, because a secret file may change.
 */
export function identityOf(options: SinkOptions): string {
  const kind = kindOf(options.sink);
  const given = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([given, openOptions(options, kind), targetOf(options, kind)]);
}

const optionNames = Object.fromEntries(
  ['sink', 'target', ...Object.keys(sinkOptions)].map((name) => [name, true]),
) as OptionNames<SinkOptions>;

/** Names of given options that this sink does not take. */
export function foreignTo(options: SinkOptions): string[] {
  const known: readonly OptionName[] = [...commonOptions, ...kindOf(options.sink).takes];
  const names = Object.keys(sinkOptions) as OptionName[];
  return names
    .filter((name) => options[name] !== undefined && !known.includes(name))
    .map((name) => sinkOptions[name].name);
}

/** @throws OomscopeError USAGE, with the nearest name */
export function kindOf(name: string): SinkKind {
  const kind = sinkKind(name);
  if (kind) return kind;
  const got = printable(name).slice(0, 40);
  throw new OomscopeError('USAGE', `There is no sink "${got}". ${suggestion(got, Object.keys(sinkKinds))}`);
}

/** The options that the sink itself takes, with each secret replaced by its value. */
function openOptions(options: SinkOptions, { takes }: SinkKind): OpenOptions {
  const given = takes.flatMap((name) => {
    const value = options[name];
    if (value === undefined) return [];
    const { kind, name: shown } = sinkOptions[name];
    return [[name, kind === 'secret' ? readSecret(value as Secret, `${options.sink} ${shown}`) : value]];
  });
  return Object.fromEntries(given) as OpenOptions;
}

/**
 * @returns what is wrong with the target, without showing it; undefined when it is right. A URL in a file is checked
 *   later.
 */
export function targetProblem({ sink, target = '' }: SinkOptions): string | undefined {
  const expected = kindOf(sink).target;
  if (!expected) return target === '' ? undefined : `expected the name alone, got a target: remove it.`;
  if (target === '') return `expected ${sink}=${expected}, got no ${expected}.`;
  return expected === 'URL' && !target.startsWith('@') ? urlProblem(target) : undefined;
}

/** The same options with a target that is safe to print: a URL is cut to its scheme and host. */
export function withoutUrlSecret(options: SinkOptions): SinkOptions {
  const { sink, target = '' } = options;
  const url = kindOf(sink).target === 'URL' && !target.startsWith('@') ? URL.parse(target) : null;
  const isPublic = !url || (url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password);
  return isPublic ? options : { ...options, target: publicUrl(url) };
}

function targetOf({ sink, target = '' }: SinkOptions, kind: SinkKind): string {
  const inFile = kind.target === 'URL' && target.startsWith('@');
  return inFile ? readSecret({ file: target.slice(1) }, `${sink} URL`) : target;
}

const wrong = (sink: string, what: string) => new OomscopeError('USAGE', `${sink}: ${what}`);
