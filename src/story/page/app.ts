/** The script of the page that `history show --html` writes: it shows the one story that is in the page. */

import { type Part, partView } from '../../explain/html/report-view.ts';
import { unpack } from '../../explain/page/archive.ts';
import { browser, element } from '../../explain/page/dom.ts';
import { clicked, pressed } from '../../explain/page/tables.ts';
import { reportOf, type Story } from '../story.ts';
import { storyView, titleOf } from '../story-view.ts';

async function begin(): Promise<void> {
  const story = await unpack<Story>(element('archive').innerHTML);
  const report = reportOf(story);
  const main = element('story');
  main.innerHTML = storyView(story, 1);
  browser.document.title = titleOf(story);
  main.addEventListener('click', (event) => clicked(event, () => report));
  main.addEventListener('keydown', pressed);
  const fill = (one: typeof main) => {
    const body = one.querySelector('.body');
    if (body && report && body.innerHTML === '') body.innerHTML = partView(one.dataset.part as Part, report, 0);
  };
  main.addEventListener('toggle', ({ target }) => fill(target), true);
  browser.addEventListener('beforeprint', () => {
    for (const one of Array.from(main.querySelectorAll('details.part'))) {
      fill(one);
      one.open = true;
    }
  });
}

begin().catch((error: unknown) => {
  element('story').textContent =
    `The story in this page could not be unpacked: ${String(error)}. Use a current browser.`;
});
