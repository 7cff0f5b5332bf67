/**
 * Posts to an incoming webhook of Slack, or of a program with the same format (Mattermost, Rocket.Chat).
 */
import type { Alert } from '../../model/alert.ts';
import type { Severity } from '../../model/severity.ts';
import { printable } from '../../text/printable.ts';
import { parseUrl, post, publicUrl } from './http.ts';
import type { Sink } from './sink.ts';

export interface SlackOptions {
  url: string;
  timeoutMs?: number;
}

export function slack({ url: text, timeoutMs = 10_000 }: SlackOptions): Sink {
  const url = parseUrl(text, 'slack');
  return {
    name: `slack ${publicUrl(url)}`,
    everyMs: 1_000, // Slack's limit: one message a second
    timeoutMs,
    deliver(alert, signal) {
      const headers = { 'content-type': 'application/json; charset=utf-8' };
      return post({ url, headers, body: JSON.stringify(slackMessage(alert)), signal });
    },
  };
}

const marks: Record<Severity, string> = { info: 'ℹ️', warning: '⚠️', critical: '🚨' };
const RESOLVED = '✅';
/** Longest text in characters; Slack allows 3,000. */
const MOST = 2_900;

/**
 * Notifications show `text`; the channel shows `blocks`. Both contain process names, which any user can choose. The
 * blocks are plain text, which has no markup. In `text`, mentions and links are switched off or escaped.
 */
export function slackMessage({ status, severity, title, message, labels }: Alert) {
  const mark = status === 'resolved' ? RESOLVED : marks[severity];
  const context = Object.entries(labels).map(([name, value]) => `${printable(name)}: ${printable(value)}`);
  return {
    text: `${mark} ${escaped(printable(title))}`,
    ...{ mrkdwn: false, parse: 'none', link_names: false, unfurl_links: false, unfurl_media: false },
    blocks: [
      { type: 'section', text: plainText(`${mark} ${printable(title)}\n${printable(message)}`) },
      { type: 'context', elements: [plainText(context.join('  '))] },
    ],
  };
}

const plainText = (text: string) => ({ type: 'plain_text', text: text.slice(0, MOST).toWellFormed(), emoji: false });

/** Slack reads these three characters as the beginning of a mention or a link, and wants them escaped. */
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
