/** The scale of severity for events, alerts, and remarks about a container. */

/** The scale, lowest first. */
export const severities = ['info', 'warning', 'critical'] as const;

/**
 * The severity of an event, an alert or a remark.
 * - `info`: no action is necessary.
 * - `warning`: memory becomes short, or some data is missing. A person should look at it.
 * - `critical`: a process was killed or may be killed soon.
 *
 * There is no level `error`: failures of oomscope itself are reported as an OomscopeError, or by an event.
 */
export type Severity = (typeof severities)[number];
