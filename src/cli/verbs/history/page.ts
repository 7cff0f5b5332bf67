/** `history show --html`: the page with one story in it. */
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { withArchive } from '../../../explain/page/archive.ts';
import type { Story } from '../../../story/story.ts';

/** @returns the page, which the build writes beside the bundle of the command (scripts/bundle.ts), with the story in it */
export function storyPage(story: Story): string {
  const empty = readFileSync(new URL('story.html', import.meta.url), 'utf8');
  const base64 = deflateRawSync(JSON.stringify(story), { level: 9 }).toString('base64');
  return withArchive(empty, base64).trimEnd();
}
