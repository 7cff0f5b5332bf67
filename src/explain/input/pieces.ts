/** Splits a log record into the lines that it contains. */
import { withoutColours } from './colours.ts';

/** Lines with a process name. They are not split at a line feed, because the name may contain it. */
const NAMED = /oom-killer|^oom-kill:|ill(?:ed)? process|^\[|^oom_reaper|^Task|Comm: |mems_allowed=/;
/**
 * Lines that the kernel prints in one record. rsyslog and other tools write them as one line with escaped line feeds.
 */
const TOGETHER = /active_anon:\d+ |Memory cgroup stats|^(?:anon|cache|rss) \d+/;

export function pieces(text: string): string[] {
  let whole = text;
  if (/^\s*[{[]["{[\s]/.test(whole)) {
    const inner = messagesIn(whole);
    if (inner.length > 0) return inner.flatMap(pieces);
  }
  // A mail in quoted-printable encoding.
  if (whole.includes('=3D')) whole = whole.replaceAll('=3D', '=').replaceAll('=09', '\t').replaceAll('=20', ' ');
  if (/#01|\\/.test(whole) && TOGETHER.test(whole))
    whole = whole.replaceAll(/#012|\\x0a|\\n/g, '\n').replaceAll(/#011|\\x09|\\t/g, '\t');
  // Two kernel messages on one line, as in the message of a Kubernetes event.
  if (whole.includes(' child'))
    whole = whole.replace(/(or (?:sacrifice|a) child)(?:\\n|#012|\s)+(?=Killed process \d)/, '$1\u0000');
  if (whole.includes('\u0000')) return whole.split('\u0000');
  if (!whole.includes('\n') || NAMED.test(whole)) return [whole];
  return whole.split('\n');
}

/** The strings in a line of JSON that may be kernel messages. The answer of an API has many of them in one line. */
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
