#!/bin/sh
# Lint, then the tests. Two tiers:
#
#   npm test              the fast tests, all on real parts of this machine; installs only the packages of the build
#   npm test -- --all     also kernels in guests, dockerd, Podman, the packages and the other servers; installs scripts/test-packages
#   npm test -- PATH...   only these test files, in any tier; other arguments also go to vitest: -t 'one test'
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
export PATH="$PWD/build/node/bin:$PWD/node_modules/.bin:$PATH"

tier=fast
named=
for argument; do
	shift
	case $argument in
		--all) tier=all; continue ;;
		test/lab* | test/package* | test/runtimes* | test/sanitizers*) tier=all named=yes ;;
		test/*) named=yes ;;
	esac
	set -- "$@" "$argument"
done

case $tier$named in
	all*)
		sh scripts/packages.sh test <scripts/test-packages ||
			echo 'test: continuing; the tests that need these packages are skipped' >&2 ;;
	fast)
		echo 'test: the fast tier. Left out, and part of `npm test -- --all`: guests with other kernels (test/lab),' >&2
		echo 'test: dockerd and Podman (test/runtimes), the packages (test/package), and tests that need a package that is missing here:' >&2
		while read -r sign package; do
			case $sign in '' | '#'*) continue ;; esac
			command -v "$sign" >/dev/null || [ -e "$sign" ] || echo "test:   $package" >&2
		done <scripts/test-packages ;;
esac

[ -n "$named" ] || npm -s run lint
export OOMSCOPE_TESTS=$tier$named
# In a new clone this takes two minutes of CPU time, and the first time on a machine some ten. The tests that wait for it are the last ones.
# A test compiles what is missing here itself.
compile() {
	nice -n 19 node -e "import('./scripts/package/libbpf.ts').then((all) => all.buildLibbpf(process.arch))" 2>build/libbpf.log || :
	nice -n 19 sh scripts/sanitize.sh true 2>build/sanitized.log || :
	nice -n 19 node scripts/kubernetes/servers.ts 2>build/kubernetes-servers.log
}
[ "$OOMSCOPE_TESTS" != all ] || compile >/dev/null &
exec vitest run "$@"
