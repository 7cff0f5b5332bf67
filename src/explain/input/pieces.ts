/** One record as the lines that it holds. */
import { withoutColours } from './colours.ts';

/** Lines that hold a name: a line feed in a name does not end them. */
const NAMED = /oom-killer|^oom-kill:|ill(?:ed)? process|^\[|^oom_reaper|^Task|Comm: |mems_allowed=/;
/** Lines that the kernel prints together in one record, and that rsyslog and others write as one with escaped line ends. */
const TOGETHER = /active_anon:\d+ |Memory cgroup stats|^(?:anon|cache|rss) \d+/;

export function pieces(text: string): string[] {
  let whole = text;
  if (/^\s*[{[]["{[\s]/.test(whole)) {
    const inner = messagesIn(whole);
    if (inner.length > 0) return inner.flatMap(pieces);
  }
  // Mail in quoted-printable.
  if (whole.includes('=3D')) whole = whole.replaceAll('=3D', '=').replaceAll('=09', '\t').replaceAll('=20', ' ');
  if (/#01|\\/.test(whole) && TOGETHER.test(whole))
    whole = whole.replaceAll(/#012|\\x0a|\\n/g, '\n').replaceAll(/#011|\\x09|\\t/g, '\t');
  // Two sentences in one, as in the message of a Kubernetes event.
  if (whole.includes(' child'))
    whole = whole.replace(/(or (?:sacrifice|a) child)(?:\\n|#012|\s)+(?=Killed process \d)/, '$1\u0000');
  if (whole.includes('\u0000')) return whole.split('\u0000');
  if (!whole.includes('\n') || NAMED.test(whole)) return [whole];
  return whole.split('\n');
}

/** The strings of a JSON document on one line that may be kernel messages: an API's answer has many of them. */
function messagesIn(json: string): string[] {
  return [...json.matchAll(/"((?:[^"\\]|\\.)*)"/g)].flatMap(([whole, inner = '']) => {
    if (
      !/invoked oom-killer|ill(?:ed)? process \d|oom-kill:|oom_reaper: |Mem-Info|killed as a result of limit/.test(
        inner,
      )
    )
      return [];
    try {
      return [withoutColours(JSON.parse(whole) as string)];
    } catch {
      return [];
    }
  });
}
