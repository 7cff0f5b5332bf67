/** The reports that `explain --html` puts into the page: JSON, packed with deflate, as base64. */
import type { OomOtherKill } from '../../model/oom-other-kill.ts';
import type { OomReport } from '../../model/oom-report.ts';
import type { Summary } from '../html/summary-view.ts';

export interface Archive {
  reports: OomReport[];
  others: OomOtherKill[];
  /** A summary of all reports, including those that are not in the page. */
  summary: Summary;
  /** Sentences about what the page does not have. */
  notes: string[];
}

/** Where the page has its archive: empty in a page without reports. */
export const NO_ARCHIVE = '<template id="archive"></template>';

export const withArchive = (page: string, base64: string): string =>
  page.replace(NO_ARCHIVE, () => `<template id="archive">${base64}</template>`);

/** @param base64 raw deflate of JSON */
export async function unpack<T = Archive>(base64: string): Promise<T> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return (await new Response(stream).json()) as T;
}
