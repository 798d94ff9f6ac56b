# Packages and sources of Debian for `get`; sourced by it, with $cache set.
# shellcheck shell=bash disable=SC2154,SC2016

say() { echo "get: $*" >&2; }
die() { echo "get: error: $*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  local missing=() package log
  command -v apt-get >/dev/null || die "apt-get is missing: the suites come from Debian 12"
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | cut -c1-2)" = ii ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing: ${missing[*]}"
  log=$(mktemp)
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}")
  if ! as_root "${install[@]}" >"$log" 2>&1; then
    say "refreshing the package index and trying again"
    as_root apt-get -o DPkg::Lock::Timeout=300 update -qq >>"$log" 2>&1 || true
    as_root "${install[@]}" >"$log" 2>&1 || { tail -n 15 "$log" >&2; die "could not install: ${missing[*]}"; }
  fi
  rm -f "$log"
}

# source_apt "RELEASES" COMMAND…: apt on the source index of these releases,
# with lists of its own; the machine's are left alone.
source_apt() {
  local releases=$1 root uri main security release
  shift
  root=$cache/.apt/${releases// /-}
  if [ ! -f "$root/updated" ]; then
    main=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk '$2 ~ /^(bookworm|stable|oldstable|oldoldstable)$/ {print $1; exit}')
    security=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk '$2 ~ /-security$/ {print $1; exit}')
    [ -n "$main" ] || die "apt knows no mirror of Debian 12: run apt-get update"
    mkdir -p "$root/lists/partial" "$root/parts" "$root/cache/archives/partial" "$cache/.tars"
    : >"$root/parts/src.sources"
    for release in $releases; do
      case $release in *-security) uri=$security ;; *) uri=$main ;; esac
      [ -n "$uri" ] || continue
      printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n' "$uri" "$release" >>"$root/parts/src.sources"
    done
    cat >"$root/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$root/parts";
Dir::State::Lists "$root/lists";
Dir::Cache "$root/cache";
APT::Sandbox::User "root";
Debug::NoLocking "true";
Acquire::Retries "3";
CONF
    say "reading the source index of: $releases"
    APT_CONFIG=$root/apt.conf apt-get update -qq >"$root/update.log" 2>&1 || { cat "$root/update.log" >&2; die "the source index of '$releases' could not be read"; }
    touch "$root/updated"
  fi
  (cd "$cache/.tars" && APT_CONFIG=$root/apt.conf "$@")
}

# tarball PACKAGE UPSTREAM: a source already fetched, if any.
tarball() { compgen -G "$cache/.tars/$1_$2.orig.tar.*" | head -n 1; }

# fetch_source PACKAGE VERSION "RELEASES" DIR: the upstream tarball of a source
# package, unpacked into DIR. Any Debian revision of the same upstream version
# will do: the tarball is the same.
fetch_source() {
  local package=$1 upstream=${2#*:} candidate tar
  upstream=${upstream%-*}
  tar=$(tarball "$package" "$upstream") || true
  if [ -z "$tar" ]; then
    say "fetching the source of $package $upstream"
    for candidate in "$2" $(source_apt "$3" apt-cache showsrc "$package" | awk '/^Version:/ {print $2}' | sort -Vu); do
      case ${candidate#*:} in "$upstream"-*) ;; *) continue ;; esac
      source_apt "$3" apt-get source -qq --download-only --tar-only "$package=$candidate" >&2 && break
    done
    tar=$(tarball "$package" "$upstream") || die "the source of $package $upstream is on no mirror of: $3"
  fi
  tar -xf "$tar" -C "$4" --strip-components=1 --no-same-owner || die "$tar does not unpack (remove it and try again)"
}

# fetch_deb PACKAGE DIR: the files of a binary package, unpacked into DIR.
fetch_deb() {
  local deb
  mkdir -p "$cache/.tars" "$2"
  compgen -G "$cache/.tars/$1_*.deb" >/dev/null ||
    (cd "$cache/.tars" && apt-get download -qq -o APT::Sandbox::User=root "$1" >/dev/null) ||
    die "package $1 could not be downloaded (apt-get update?)"
  deb=$(compgen -G "$cache/.tars/$1_*.deb" | head -n 1)
  dpkg-deb -x "$deb" "$2"
}

# empty_lib DIR NAME…: files that can be required and do nothing, in DIR/.stub,
# in place of gems that Debian lacks and the tests do not need.
empty_lib() {
  local dir=$1 name
  shift
  for name in "$@"; do
    mkdir -p "$dir/.stub/$(dirname "$name")"
    echo '# empty on purpose' >"$dir/.stub/$name.rb"
  done
}
