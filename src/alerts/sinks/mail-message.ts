/** Writes an alert, or several, as a mail (RFC 5322). */
import type { Alert } from '../../model/alert.ts';
import { type Severity, severities } from '../../model/severity.ts';
import { printable } from '../../text/printable.ts';

export interface Envelope {
  from: string;
  to: readonly string[];
}

/** Longest subject, in characters. */
const MOST_SUBJECT = 180;
const marks: Record<Severity, string> = { info: 'info', warning: 'WARNING', critical: 'CRITICAL' };
const markOf = ({ status, severity }: Alert) => (status === 'resolved' ? 'resolved' : marks[severity]);

/**
 * The text of a mail with CR LF, without the dot at its end. The body is in base64, so no line of it is too long, and no
 * name in it can end the mail or begin a header.
 *
 * @param alerts at least one
 */
export function mailMessage(alerts: readonly Alert[], { from, to }: Envelope, now = new Date()): string {
  const [first] = alerts as [Alert];
  const body = alerts.map(section).join('\n');
  return [
    `From: ${from}`,
    `To: ${to.join(', ')}`,
    `Subject: ${encoded(subjectOf(alerts))}`,
    `Date: ${now.toUTCString().replace('GMT', '+0000')}`,
    // An alert that is sent again keeps its id, so that the reader's program can recognise it.
    `Message-ID: <${first.id.replace(/[^\w.-]/g, '')}@${domainOf(from)}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    'Auto-Submitted: auto-generated',
    '',
    ...(Buffer.from(body.toWellFormed())
      .toString('base64')
      .match(/.{1,76}/g) ?? []),
    '',
  ].join('\r\n');
}

function subjectOf(alerts: readonly Alert[]): string {
  const [first] = alerts as [Alert];
  if (alerts.length === 1) return `[oomscope] ${markOf(first)}: ${printable(first.title)}`.slice(0, MOST_SUBJECT);
  const worst = alerts.reduce((a, b) => (severities.indexOf(b.severity) > severities.indexOf(a.severity) ? b : a));
  return `[oomscope] ${alerts.length} alerts, ${markOf(worst)}: ${printable(worst.title)}`.slice(0, MOST_SUBJECT);
}

function section(alert: Alert): string {
  const { title, message, labels, starts_at, ends_at, id } = alert;
  const rows = Object.entries(labels).map(([name, value]) => `  ${printable(name)}: ${printable(value)}`);
  const until = ends_at === null || ends_at === starts_at ? '' : ` until ${ends_at}`;
  return [
    `${markOf(alert)}: ${printable(title)}`,
    printable(message),
    `  ${starts_at}${until}`,
    ...rows,
    `  id: ${id}`,
    '',
  ].join('\n');
}

/** RFC 2047: words of at most 75 characters; each has whole characters. */
function encoded(text: string): string {
  if (/^[\x20-\x7e]{1,70}$/.test(text)) return text;
  const words: string[] = [];
  let word = '';
  for (const character of text.toWellFormed()) {
    if (Buffer.byteLength(word + character) > 42) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((each) => `=?utf-8?B?${Buffer.from(each).toString('base64')}?=`).join('\r\n ');
}

const domainOf = (address: string) => address.split('@')[1] ?? 'localhost';
