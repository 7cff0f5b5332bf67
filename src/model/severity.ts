/** The one scale of severity: of events, of alerts, of remarks about a container. */

/** The scale, lowest first. */
export const severities = ['info', 'warning', 'critical'] as const;

/**
 * How bad it is.
 * - `info`: worth recording, nothing to do.
 * - `warning`: worth a look: memory is getting short, or a part of the picture is missing.
 * - `critical`: a process was killed, or is about to be.
 *
 * There is no `error`: what oomscope itself cannot do is an OomscopeError, or an event that says what is missing.
 */
export type Severity = (typeof severities)[number];
