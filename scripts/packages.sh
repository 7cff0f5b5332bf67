#!/bin/sh
# Brings the Debian packages of a list, as far as they are missing, and says which: packages.sh WHO [ELSEWHERE] <LIST
#
# A line of LIST is `SIGN PACKAGE`: a command or file that shows the package is there, and its name. A sign below
# build/packages/ has the package unpacked there and not installed: for a program that is wanted without its service, its
# user and its files in /etc. No service of an installed package is started. ELSEWHERE is said where there is no apt-get.
set -eu
cd "$(dirname "$0")/.."
who=$1
elsewhere=${2:-}
unpacked=build/packages

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
		$unpacked/*) programs="$programs $package" ;;
		*) missing="$missing $package" ;;
	esac
done
if [ -z "$missing$programs" ]; then exit 0; fi
root=$([ "$(id -u)" = 0 ] && echo yes) || root=
command -v apt-get >/dev/null || die "install these and try again: ${elsewhere:-$missing$programs (Debian's names)}."
[ -z "$missing" ] || [ -n "$root" ] ||
	die "type this and try again: sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"

mkdir -p "$unpacked"
temporary=$(mktemp -d)
policy=/usr/sbin/policy-rc.d # what Debian asks before it starts a service; 101 says no
clean() {
	rm -rf "$temporary"
	if [ -e "$temporary.policy" ]; then rm -f "$policy" "$temporary.policy"; fi
}
trap clean EXIT
trap 'exit 130' HUP INT TERM

# Says what is being done and does it; the command's output is shown only when it fails.
step() { # SENTENCE COMMAND...
	sentence=$1; shift
	say "$sentence"
	"$@" >"$temporary/log" 2>&1 || { cat "$temporary/log" >&2; die "failed to $sentence; the output above says why."; }
}

# One unreachable third-party list fails the update, and need not matter: let what follows decide.
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
for package in $programs; do
	download() { (cd "$temporary" && apt download "$package") && dpkg-deb -x "$temporary/$package"_*.deb "$unpacked"; }
	step "unpack $package into $unpacked/" download
done
