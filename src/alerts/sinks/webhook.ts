/**
 * Sends CloudEvents 1.0 in structured mode to any HTTP receiver. Requests are signed as Standard Webhooks specifies
 * (HMAC-SHA256 of `ID.TIMESTAMP.BODY`); most languages have a library that verifies such signatures.
 */
import type { Alert } from '../../model/alert.ts';
import { parseUrl, post, publicUrl } from './http.ts';
import type { Sink } from './sink.ts';

export interface WebhookOptions {
  url: string;
  /** Key that signs each request: a text, or `whsec_` followed by base64. */
  key?: string;
  /** Sent as `Authorization: Bearer`. */
  token?: string;
  timeoutMs?: number;
}

export function webhook({ url: text, key, token, timeoutMs = 10_000 }: WebhookOptions): Sink {
  const url = parseUrl(text, 'webhook');
  return {
    name: `webhook ${publicUrl(url)}`,
    timeoutMs,
    deliver(alert, signal) {
      const body = JSON.stringify(cloudEvent(alert));
      const headers = {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...signed(alert.id, body, key),
      };
      return post({ url, headers, body, signal, secrets: [token, key] });
    },
  };
}

/** A retried alert keeps its `id`, so that a receiver can recognise a duplicate. */
function cloudEvent(alert: Alert) {
  return {
    specversion: '1.0',
    id: alert.id,
    source: `/oomscope/${encodeURIComponent(alert.labels.node ?? '')}`,
    type: `oomscope.alert.${alert.status}`,
    subject: alert.key,
    time: alert.ends_at ?? alert.starts_at,
    datacontenttype: 'application/json',
    data: alert,
  };
}

function signed(id: string, body: string, key: string | undefined): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (key === undefined) return headers;
  const bytes = key.startsWith('whsec_') ? Buffer.from(key.slice(6), 'base64') : Buffer.from(key);
  // takes 3 MB of memory, so only sinks that sign load it
  const { createHmac } = process.getBuiltinModule('node:crypto');
  const signature = createHmac('sha256', bytes).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signature}` };
}
