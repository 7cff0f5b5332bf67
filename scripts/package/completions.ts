/**
 * Completions for bash, zsh and fish, from what the verbs declare. All three ask one list of lines: the shells differ only in how they
 * show a candidate.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sinkKinds } from '../../src/alerts/sink-table.ts';
import { meaningOf, type OptionData, type VerbData } from '../../src/cli/verb/help.ts';
import { builtIn } from '../../src/protect/profile.ts';
import { readVerbs } from '../docs/verbs.ts';

/** Where each shell looks, below a prefix's share/. */
const PLACES = {
  bash: 'bash-completion/completions/oomscope',
  zsh: 'zsh/vendor-completions/_oomscope',
  fish: 'fish/vendor_completions.d/oomscope.fish',
} as const;
export type Shell = keyof typeof PLACES;

/** What a value is, by the name that the help gives it. Values of other names are not completed. */
const KINDS: Record<string, string> = { FILE: 'file', DIR: 'directory', PATH: 'file', RECORDING: 'file' };
/** Options whose value's name is not enough. */
const OPTION_KINDS: Record<string, string> = { '--cgroup': 'cgroup', '--container': 'container', '--alert': 'sink' };
const WORD_KINDS: Record<string, string> = { NAME: 'container', PROFILE: 'profile', SINK: 'sink', KILLER: 'killer' };

/** Writes the files of all shells below DIRECTORY, which is a prefix's share/. */
export async function writeCompletions(directory: string): Promise<void> {
  const verbs = await readVerbs();
  for (const shell of Object.keys(PLACES) as Shell[]) {
    const path = join(directory, PLACES[shell]);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, write[shell](verbs));
  }
}

/** The words that may follow a verb: its actions, or what its argument is. */
interface Entry {
  /** "docker check"; "" before a verb is given. */
  verb: string;
  actions: { name: string; about: string }[];
  options: OptionData[];
  words: string | null;
}

function entries(verbs: readonly VerbData[]): Entry[] {
  const top = verbs.filter(({ name }) => !name.includes(' '));
  const below = (name: string) => verbs.filter((verb) => verb.name.startsWith(`${name} `));
  return [
    { verb: '', actions: [...top, { name: 'help', about: 'show the help of a verb' }], options: [], words: null },
    ...verbs.map(({ name, options, words }) => ({
      verb: name,
      actions: below(name).map((verb) => ({ name: verb.name.slice(name.length + 1), about: verb.about })),
      options: [...options],
      words: words === null ? null : wordKind(words.name),
    })),
  ];
}

const wordKind = (name: string) => {
  const [first = ''] = name.split(' ');
  return WORD_KINDS[first] ?? KINDS[first] ?? null;
};
const valueKind = ({ name, value, choices }: OptionData): string | null => {
  if (value === null) return null;
  return choices ? choices.join(' ') : (OPTION_KINDS[name] ?? KINDS[value] ?? 'other');
};

const profiles = () => builtIn.map(({ name }) => name).join(' ');
const sinks = () => Object.keys(sinkKinds).join(' ');

/** POSIX shell: candidates that are known only when the user completes. Nothing here starts oomscope. */
const CANDIDATES = (prefix: string) => `${prefix}cgroups() {
	for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/memory; do
		if [ -e "$root/cgroup.procs" ]; then (cd "$root" && find . -mindepth 1 -maxdepth 4 -type d 2>/dev/null | sed 's/^\\.//'); return; fi
	done
}
${prefix}containers() {
	for runtime in docker podman; do
		if command -v "$runtime" >/dev/null 2>&1; then "$runtime" ps --format '{{.Names}}' 2>/dev/null; fi
	done
}`;

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const HEAD = '# Made from what the verbs declare.';

function bash(verbs: readonly VerbData[]): string {
  const all = entries(verbs);
  const words = all.map(({ verb, actions, options }) => {
    const list = [...actions.map(({ name }) => name), ...options.map(({ name }) => name)].join(' ');
    return `\t\t${quoted(verb)}) words=${quoted(list)} ;;`;
  });
  const values = all.flatMap(({ verb, options }) =>
    options.flatMap((option) => {
      const kind = valueKind(option);
      return kind === null ? [] : [`\t\t${quoted(`${verb} ${option.name}`)}) kind=${quoted(kind)} ;;`];
    }),
  );
  const rests = all.flatMap(({ verb, words: kind }) =>
    kind === null ? [] : [`\t\t${quoted(verb)}) kind=${quoted(kind)} ;;`],
  );
  return `${HEAD}
${CANDIDATES('_oomscope_')}
_oomscope() {
	local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} verb= words= kind= word
	COMPREPLY=()
	for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in -*) break ;; esac
		if [ "$verb" = help ] || [ -z "$verb" ]; then verb=$word; else verb="$verb $word"; fi
		case " ${all.map(({ verb }) => verb.replace(' ', '_')).join(' ')} help " in *" \${verb// /_} "*) ;; *) verb=\${verb% *}; break ;; esac
	done
	if [ "$verb" = help ]; then verb=; fi
	case "$verb $previous" in
${values.join('\n')}
	esac
	if [ -z "$kind" ] && [ "\${current#-}" = "$current" ]; then
		case $verb in
${rests.join('\n')}
		esac
	fi
	case $kind in
		'')
			case $verb in
${words.join('\n')}
			esac ;;
		cgroup) words=$(_oomscope_cgroups) ;;
		container) words=$(_oomscope_containers) ;;
		profile) words=${quoted(profiles())} ;;
		sink) words=${quoted(sinks())} ;;
		killer) words='earlyoom nohang systemd-oomd' ;;
		file) COMPREPLY=($(compgen -f -- "$current")); compopt -o filenames 2>/dev/null; return ;;
		directory) COMPREPLY=($(compgen -d -- "$current")); compopt -o filenames 2>/dev/null; return ;;
		other) return ;;
		*) words=$kind ;;
	esac
	local IFS=$' \\n'
	COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _oomscope oomscope
`;
}

function zsh(verbs: readonly VerbData[]): string {
  const functions = entries(verbs)
    .filter(({ verb }) => verb !== '')
    .map(({ verb, actions, options, words }) => {
      const name = `_oomscope_${verb.replaceAll(/\W/g, '_')}`;
      if (actions.length > 0)
        return `${name}() {\n\t_oomscope_group ${quoted(`_oomscope_${verb}_`)} ${actions.map(described).join(' ')}\n}`;
      const specs = options.map((option) => {
        const about = meaningOf(option)
          .replaceAll(/[[\]:`]/g, '\\$&')
          .replaceAll('\\`', '');
        const repeat = option.multiple ? '*' : '';
        const kind = valueKind(option);
        return quoted(`${repeat}${option.name}[${about}]${kind === null ? '' : `:${option.value}:${zshAction(kind)}`}`);
      });
      if (words !== null) specs.push(quoted(`*:argument:${zshAction(words)}`));
      return `${name}() {\n\t_arguments -s ${specs.join(' \\\n\t\t')}\n}`;
    });
  const top = entries(verbs)[0]?.actions ?? [];
  return `#compdef oomscope
${HEAD}
${CANDIDATES('_oomscope_list_')}
_oomscope_cgroup() { local -a found=(\${(f)"$(_oomscope_list_cgroups)"}); compadd -a found }
_oomscope_container() { local -a found=(\${(f)"$(_oomscope_list_containers)"}); compadd -a found }
# Completes the name of an action, then what that action takes: PREFIX NAME:ABOUT...
_oomscope_group() {
	local prefix=$1; shift
	if (( CURRENT == 2 )); then
		local -a actions=("$@")
		_describe action actions
	else
		local action=\${words[2]//[^a-z0-9]/_}
		words=("\${(@)words[2,-1]}"); (( CURRENT-- ))
		if (( $+functions[$prefix$action] )); then $prefix$action; fi
	fi
}
${functions.join('\n')}
_oomscope_help() { _oomscope_group _oomscope_none_ ${top
    .filter(({ name }) => name !== 'help')
    .map(described)
    .join(' ')} }
_oomscope_group _oomscope_ ${top.map(described).join(' ')}
`;
}

const described = ({ name, about }: { name: string; about: string }) =>
  quoted(`${name}:${about.replaceAll(':', '\\:')}`);

function zshAction(kind: string): string {
  const actions: Record<string, string> = {
    file: '_files',
    directory: '_files -/',
    cgroup: '_oomscope_cgroup',
    container: '_oomscope_container',
    profile: `(${profiles()})`,
    sink: `(${sinks()})`,
    killer: '(earlyoom nohang systemd-oomd)',
    other: ' ',
  };
  return actions[kind] ?? `(${kind})`;
}

function fish(verbs: readonly VerbData[]): string {
  const all = entries(verbs);
  const lines = all.flatMap(({ verb, actions, options, words }) => {
    const when =
      verb === ''
        ? '__fish_use_subcommand'
        : conditionOf(
            verb,
            actions.map(({ name }) => name),
          );
    const base = `complete -c oomscope -n ${quoted(when)}`;
    return [
      ...actions.map(({ name, about }) => `${base} -f -a ${quoted(name)} -d ${quoted(about)}`),
      ...options.map((option) => {
        const kind = valueKind(option);
        const value = kind === null ? '' : ` ${fishValue(kind)}`;
        return `${base} -l ${option.name.slice(2)}${value} -d ${quoted(meaningOf(option).replaceAll('`', ''))}`;
      }),
      ...(words === null ? [] : [`${base} ${fishValue(words).replace('-r ', '')}`]),
    ];
  });
  return `${HEAD}
${fishCandidates}
complete -c oomscope -f
${lines.join('\n')}
`;
}

/** True after the verb and, if it has actions, before one of them. */
function conditionOf(verb: string, actions: readonly string[]): string {
  const seen = verb.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
  const none = actions.length > 0 ? [`not __fish_seen_subcommand_from ${actions.join(' ')}`] : [];
  return [...seen, ...none].join('; and ');
}

function fishValue(kind: string): string {
  const values: Record<string, string> = {
    file: '-r -F',
    directory: "-r -f -a '(__fish_complete_directories)'",
    cgroup: "-r -f -a '(__oomscope_cgroups)'",
    container: "-r -f -a '(__oomscope_containers)'",
    profile: `-r -f -a ${quoted(profiles())}`,
    sink: `-r -f -a ${quoted(sinks())}`,
    killer: "-r -f -a 'earlyoom nohang systemd-oomd'",
    other: '-x',
  };
  return values[kind] ?? `-r -f -a ${quoted(kind)}`;
}

const fishCandidates = `function __oomscope_cgroups
	for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/memory
		if test -e $root/cgroup.procs
			find $root -mindepth 1 -maxdepth 4 -type d 2>/dev/null | string replace $root ''
			return
		end
	end
end
function __oomscope_containers
	for runtime in docker podman
		if command -q $runtime
			$runtime ps --format '{{.Names}}' 2>/dev/null
		end
	end
end`;

const write: Record<Shell, (verbs: readonly VerbData[]) => string> = { bash, zsh, fish };
