#!/bin/sh
# Installs the missing Debian packages of a list and prints their names: packages.sh WHO <LIST. WHO is the name of the
# caller in messages.
#
# A line of LIST is `SIGN PACKAGE`: SIGN is a command or file that exists when the package is present. If SIGN is below
# build/test-packages/, the package is unpacked there instead of installed, into the part of SIGN before /usr/: then its
# service, its user and its files in /etc are not created. PACKAGE may then be NAME/SUITE, for a package of another Debian
# suite. No service of an installed package is started. Without apt-get or root, the line to type is printed.
set -eu
cd "$(dirname "$0")/.."
who=$1
unpacked=build/test-packages

say() { printf '%s: %s\n' "$who" "$*" >&2; }
die() { say "$*"; exit 69; }
apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User= "$@" </dev/null
}

missing= programs=
while read -r sign package; do
	case $sign in '' | '#'*) continue ;; esac
	if command -v "$sign" >/dev/null || [ -e "$sign" ]; then continue; fi
	case $sign in
		$unpacked/*) programs="$programs $package:${sign%%/usr/*}" ;;
		*) missing="$missing $package" ;;
	esac
done
if [ -z "$missing$programs" ]; then exit 0; fi
root=$([ "$(id -u)" = 0 ] && echo yes) || root=
# shellcheck disable=SC2086 # lists
if ! command -v apt-get >/dev/null; then
	names=
	for program in $programs; do names="$names ${program%%:*}"; done
	# shellcheck disable=SC2086
	die "$(sh scripts/distribution.sh $missing $names)"
fi
# shellcheck disable=SC2086
[ -z "$missing" ] || [ -n "$root" ] || die "$(sh scripts/distribution.sh $missing)"

mkdir -p "$unpacked"
temporary=$(mktemp -d)
policy=/usr/sbin/policy-rc.d # Debian runs this program before it starts a service; the exit code 101 forbids the start
clean() {
	rm -rf "$temporary"
	if [ -e "$temporary.policy" ]; then rm -f "$policy" "$temporary.policy"; fi
}
trap clean EXIT
trap 'exit 130' HUP INT TERM

# Prints a sentence and runs a command; the output of the command is shown only when it fails.
step() { # SENTENCE COMMAND...
	sentence=$1; shift
	say "$sentence"
	"$@" >"$temporary/log" 2>&1 || { cat "$temporary/log" >&2; die "failed to $sentence; the output above says why."; }
}

# If one third-party package list is unreachable, the update fails. This may not matter: the installation will show it.
if [ -n "$root" ]; then say 'update the package lists'; apt update >"$temporary/log" 2>&1 || :; fi
if [ -n "$missing" ]; then
	if [ ! -e "$policy" ]; then
		: >"$temporary.policy"
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	# shellcheck disable=SC2086 # a list
	step "install$missing" apt install -y --no-install-recommends $missing
fi
# Downloads a package of another suite of this machine's archive into $temporary, with apt's state in a directory of its own.
from_suite() { # NAME SUITE
	here=$temporary/$2
	mkdir -p "$here/lists/partial" "$here/archives/partial"
	: >"$here/status"
	archive=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(LABEL)' 'Created-By: Packages' |
		awk '/debian\/? main/ && !/security/ { print $1; exit }')
	keyring=
	for file in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
		[ ! -e "$file" ] || keyring="[signed-by=$file] "
	done
	echo "deb $keyring${archive:?no source of Debian} $2 main" >"$here/sources.list"
	set -- "$1" -o "Dir::Etc::SourceList=$here/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State=$here" \
		-o "Dir::State::status=$here/status" -o "Dir::Cache=$here" -o Acquire::Languages=none
	name=$1; shift
	apt "$@" update && (cd "$temporary" && apt "$@" download "$name")
}

for program in $programs; do
	package=${program%%:*} into=${program#*:}
	mkdir -p "$into"
	rm -f "$temporary/${package%/*}"_*.deb
	download() {
		case $package in
			*/*) from_suite "${package%/*}" "${package#*/}" ;;
			*) (cd "$temporary" && apt download "$package") ;;
		esac && dpkg-deb -x "$temporary/${package%/*}"_*.deb "$into"
	}
	step "unpack $package into $into/" download
done
