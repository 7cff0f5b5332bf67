#!/bin/sh
# Prints the exact line that installs packages on a distribution, or says what does not work there: distribution.sh PACKAGE...
# PACKAGE is a name of Debian. OS_RELEASE is the file that names the distribution: os-release(5).
set -eu
file=${OS_RELEASE:-/etc/os-release}
[ -e "$file" ] || file=/usr/lib/os-release

field() { sed -n "s/^$1=//p" "$file" 2>/dev/null | tail -1 | tr -d "\"'"; }
name=$(field PRETTY_NAME)
version=$(field VERSION_ID)

# The family: the distribution itself, or the first one that it says it is like.
family=
for id in $(field ID) $(field ID_LIKE); do
	case $id in
		debian | ubuntu) family=debian ;;
		fedora | rhel | centos | amzn) family=fedora ;;
		arch) family=arch ;;
		opensuse* | suse | sles) family=suse ;;
		alpine) family=musl ;;
		nixos) family=nixos ;;
		*) continue ;;
	esac
	break
done
if ldd --version 2>&1 | grep -q musl; then family=musl; fi

# The name that a package of Debian has in this family.
elsewhere() { # PACKAGE
	case $family:$1 in
		debian:* | :* | *:clang | *:llvm | *:make | *:cmake) echo "$1" ;;
		arch:g++) echo gcc ;;
		*:g++) echo gcc-c++ ;;
		arch:libbpf-dev) echo libbpf ;;
		*:libbpf-dev) echo libbpf-devel ;;
		arch:python3) echo python ;;
		*:python3) echo python3 ;;
		suse:nodejs) echo nodejs-default ;;
		suse:npm) echo npm-default ;;
		*) echo "$1" ;;
	esac
}
list=
for package; do list="$list $(elsewhere "$package")"; done

# Root on a system without sudo, such as a container, types the same line without that word.
sudo='sudo '
if [ "$(id -u)" = 0 ] && ! command -v sudo >/dev/null; then sudo=; fi
case $(field ID):$version in
	amzn:2) echo "$name has glibc 2.26, and oomscope needs 2.34: use Amazon Linux 2023."; exit ;;
	rhel:8* | centos:8* | rocky:8* | almalinux:8*) echo "$name has glibc 2.28, and oomscope needs 2.34: use version 9 or later."; exit ;;
	rhel:*) enable="${sudo}subscription-manager repos --enable codeready-builder-for-rhel-${version%%.*}-$(uname -m)-rpms && " ;;
	centos:* | rocky:* | almalinux:*) enable="${sudo}dnf config-manager --set-enabled crb && " ;;
	*) enable= ;;
esac
# The repository with libbpf-devel is off in Red Hat Enterprise Linux and its rebuilds.
case $list in *libbpf-devel*) ;; *) enable= ;; esac

case $family in
	debian) echo "type this and try again: ${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends$list" ;;
	fedora) echo "type this and try again: ${enable}${sudo}dnf install -y$list" ;;
	arch) echo "type this and try again: ${sudo}pacman -S --needed$list" ;;
	suse) echo "type this and try again: ${sudo}zypper install -y$list" ;;
	musl)
		echo "$name has musl as its C library, and oomscope needs glibc: its addon, its libbpf and its own Node do not load here. The container image brings its libraries along: see docs/install.md." ;;
	nixos)
		echo "$name has no /usr/include and no /lib64, where this build looks for headers and Node for its loader. The container image brings its libraries along: see docs/install.md." ;;
	*) echo "install these and try again:$list (names of Debian's packages)." ;;
esac
