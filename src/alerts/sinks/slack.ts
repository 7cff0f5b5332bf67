/**
 * Incoming webhooks of Slack, and of programs that take the same format (Mattermost, Rocket.Chat).
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

const marks: Record<Severity, string> = {
  info: ':information_source:',
  warning: ':warning:',
  critical: ':rotating_light:',
};

/** Notifications show `text`, the channel shows `blocks`. Slack's limit is 3,000 characters a block. */
export function slackMessage({ status, severity, title, message, labels }: Alert) {
  const mark = status === 'resolved' ? ':white_check_mark:' : marks[severity];
  const context = Object.entries(labels).map(([name, value]) => `${withoutMarkup(name)}: ${withoutMarkup(value)}`);
  return {
    text: `${mark} ${withoutMarkup(title)}`,
    blocks: [
      section(`${mark} *${withoutMarkup(title).replaceAll('*', '∗')}*\n${withoutMarkup(message)}`),
      { type: 'context', elements: [{ type: 'mrkdwn', text: context.join('  ').slice(0, 2900) }] },
    ],
  };
}

const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text: text.slice(0, 2900) } });

/** The name of a process must not mention @channel or become a link. */
const withoutMarkup = (text: string) =>
  printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
