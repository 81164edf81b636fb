#!/usr/bin/env bash
# Run the README's install line and the tests with the Pythons that a machine does not have.
#
#     tools/other_pythons.sh [-d FOLDER] [3.13|3.14]... [-- PYTEST-ARGUMENT...]
#
# Each Python comes with a whole Debian of its own: 3.13 with trixie, 3.14 with sid (Debian moves on;
# what was really run is printed). It is put into FOLDER (by default digitcli-pythons in $TMPDIR or
# /tmp, outside the checkout; about 1 GB for each Python), and used again by the next run. The tracked
# files of the checkout are copied there as they are now, so that nothing is written to the checkout.
#
# Needs Linux, root, debootstrap, the Debian archive ($DEBIAN_MIRROR, by default deb.debian.org), and
# the package index. What is mounted is mounted for this script alone, and is gone when it ends. The
# tests with real data run where $DIGITCLI_TEST_DATA names its folder. Takes about ten minutes for
# each Python on two cores; arguments for pytest choose less. Ends with 1 when any of it failed.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=${TMPDIR:-/tmp}/digitcli-pythons
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

usage() { sed -n '2,/^set /{s/^# \{0,1\}//;/^set /!p}' "$0" >&2; exit 2; }

suite_of() {
  case $1 in
    3.13) echo trixie ;;
    3.14) echo sid ;;
    *) echo "no Debian is known to bring Python $1; it has to be 3.13 or 3.14" >&2; return 2 ;;
  esac
}

# Unpack a Debian with its Python.
get() {
  local suite=$1 root=$folder/$1
  [ -e "$root/etc/digitcli-complete" ] && return
  rm -rf "$root"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,procps \
    "$suite" "$root" "$mirror" >"$folder/$suite.log" 2>&1 || { tail -20 "$folder/$suite.log"; return 1; }
  touch "$root/etc/digitcli-complete"
}

# Copy the checkout and what the network needs.
put() {
  local root=$1
  rm -rf "$root/digitcli" && mkdir -p "$root/digitcli" "$root/shared"
  git -C "$checkout" ls-files -z --deduplicate |
    tar -C "$checkout" --null --files-from - --ignore-failed-read -c | tar -C "$root/digitcli" -x
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  if [ -e "$certificates" ]; then cp "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"; fi
}

# Mount what programs expect, and run the rest of this script inside.
enter() {
  local version=$1 root=$2
  shift 2
  unshare --mount --propagation private bash -euc '
    root=$1 data=$2
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
    for device in null zero full random urandom tty; do
      touch "$root/dev/$device"
      mount --bind "/dev/$device" "$root/dev/$device"
    done
    if [ -n "$data" ]; then mount --bind "$data" "$root/shared"; export DIGITCLI_TEST_DATA=/shared
    else unset DIGITCLI_TEST_DATA; fi
    shift 2
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
      PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 ${DIGITCLI_TEST_DATA+DIGITCLI_TEST_DATA=$DIGITCLI_TEST_DATA} \
      bash -euo pipefail /digitcli/tools/other_pythons.sh --inside "$@"
  ' bash "$root" "${DIGITCLI_TEST_DATA:+$(realpath "$DIGITCLI_TEST_DATA")}" "$version" "$@"
}

# In the other system: the README's install line and the tests.
inside() {
  local version=$1 readme
  shift
  cd /digitcli
  echo "=== $(uname -s), Debian $(cat /etc/debian_version), $(python3 --version)"
  rm -rf /venv && python3 -m venv /venv && . /venv/bin/activate
  [ "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$version" ] ||
    { echo "this Debian no longer brings Python $version"; return 1; }
  readme() { sed -n "/^<!-- $1 -->\$/,/^\`\`\`\$/s/^\\$ //p" README.md; }
  echo "\$ $(readme install)"
  bash -euo pipefail -c "$(readme install)" </dev/null
  rm -f digits.joblib
  pip install '.[test]'
  PIP_QUIET=0 pip list 2>/dev/null | grep -iE '^(numpy|scipy|scikit-learn|joblib|pillow|rich|typer|distributed) '
  if [ -d /shared/mnist ]; then digitcli fetch --quiet --from /shared/mnist; fi
  echo "\$ pytest $*"
  pytest "$@" </dev/null
}

main() {
  local versions=() failed=() version root
  while [ $# -gt 0 ]; do
    case $1 in
      -d) folder=$2; shift ;;
      --) shift; break ;;
      -*) usage ;;
      *) suite_of "$1" >/dev/null; versions+=("$1") ;;
    esac
    shift
  done
  [ ${#versions[@]} -gt 0 ] || versions=(3.13 3.14)
  [ "$(id -u)" = 0 ] || { echo "other_pythons.sh mounts and changes the root: run it as root" >&2; exit 2; }
  command -v debootstrap >/dev/null ||
    { echo "other_pythons.sh needs debootstrap: apt-get install debootstrap" >&2; exit 2; }
  mkdir -p "$folder"
  folder=$(realpath "$folder")
  for version in "${versions[@]}"; do
    root=$folder/$(suite_of "$version")
    if get "$(suite_of "$version")" && put "$root" && enter "$version" "$root" "$@"; then
      echo "=== Python $version: all of it passed"
    else
      echo "=== Python $version: FAILED"
      failed+=("$version")
    fi
  done
  [ ${#failed[@]} -eq 0 ]
}

if [ "${1:-}" = --inside ]; then shift; inside "$@"; else main "$@"; fi
