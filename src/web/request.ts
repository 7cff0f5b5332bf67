/** The queries of the page, checked: what another program sends gets a clear refusal. */
import { type EntryKind, entryKinds } from '../history/entry.ts';
import type { Filter } from '../history/filter.ts';
import type { Bucket } from '../history/query.ts';
import { parseWhen } from '../history/when.ts';
import { OomscopeError } from '../model/error.ts';

const MOST_ROWS = 500;
const LONGEST = 200;

const wrong = (name: string, expected: string) => new OomscopeError('USAGE', `${name}: expected ${expected}.`);

/** @throws OomscopeError USAGE */
export function filterOf(query: URLSearchParams): Filter {
  const sinceMs = timeOf(query, 'since');
  const untilMs = timeOf(query, 'until');
  const before = beforeOf(query);
  return {
    ...(sinceMs !== undefined && { sinceMs }),
    ...(untilMs !== undefined && { untilMs }),
    ...(before && { before }),
    names: globs(query, 'name'),
    containers: globs(query, 'container'),
    pods: globs(query, 'pod'),
    units: globs(query, 'unit'),
    kinds: kindsOf(query),
  };
}

export function limitOf(query: URLSearchParams): number {
  const given = query.get('limit') ?? '100';
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > MOST_ROWS) throw wrong('limit', `a number from 1 to ${MOST_ROWS}`);
  return limit;
}

export function bucketOf(query: URLSearchParams): Bucket {
  const by = query.get('by') ?? 'day';
  if (by === 'day' || by === 'hour' || by === 'workload') return by;
  throw wrong('by', 'day, hour or workload');
}

/** The reference of a story. */
export function referenceOf(query: URLSearchParams): string {
  const id = query.get('id') ?? '';
  if (id === '' || id.length > LONGEST) throw wrong('id', 'the id of an event');
  return id;
}

export function kindsOf(query: URLSearchParams): EntryKind[] {
  const names = (query.get('kind') ?? '').split(',').filter((name) => name !== '');
  const kinds = names.map((name) => entryKinds.find((kind) => kind === name));
  if (kinds.some((kind) => kind === undefined) || kinds.length > entryKinds.length)
    throw wrong('kind', `some of ${entryKinds.join(', ')}`);
  return kinds.filter((kind) => kind !== undefined);
}

function globs(query: URLSearchParams, name: string): string[] {
  const given = query.get(name) ?? '';
  if (given.length > LONGEST) throw wrong(name, `at most ${LONGEST} characters`);
  // A person types a part of a name.
  return given === '' ? [] : [/[*?]/.test(given) ? given : `*${given}*`];
}

function timeOf(query: URLSearchParams, name: string): number | undefined {
  const given = query.get(name);
  if (given === null || given === '') return undefined;
  const at = given.length > LONGEST ? undefined : parseWhen(given, Date.now());
  if (at === undefined) throw wrong(name, 'a time such as "yesterday" or "5 min ago"');
  return at;
}

function beforeOf(query: URLSearchParams): Filter['before'] {
  const given = query.get('before');
  if (given === null) return undefined;
  const [, timeMs, number] = /^(-?\d{1,15}),(\d{1,15})$/.exec(given) ?? [];
  if (timeMs === undefined || number === undefined) throw wrong('before', 'TIME_MS,NUMBER');
  return { timeMs: Number(timeMs), number: Number(number) };
}
