/** The default path of the undo file of `protect`. */

export const DEFAULT_UNDO_FILE = '/var/lib/oomscope/protect.jsonl';

export const SYSTEMD_DIRECTORY = '/etc/systemd/system';
