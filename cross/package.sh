#!/usr/bin/env bash
# Packs the static programs into dist/: for each target a tar with an install script, and a Debian package.
#
#   package.sh [TARGET...]     after static-agent.sh
#
# The same sources and programs give the same bytes, whoever packs them and where: order, owners, modes and times are
# set. The time is SOURCE_DATE_EPOCH, or that of the last commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. cross/targets.sh
umask 022

readonly OUT=dist
readonly MINE=cross/package
readonly UNIT=cross/cabinwatch-agent.service
VERSION=$(sed -n '/^\[workspace.package\]/,/^\[[^w]/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# tar_package TARGET SCRATCH
tar_package() {
    local name=cabinwatch-agent-$VERSION-$1
    install -d "$2/$name"
    install -m 0755 "$(program_of "$1")" "$MINE/install.sh" "$2/$name"
    install -m 0644 "$UNIT" "$MINE/agent.toml" LICENSE "$2/$name"
    install -m 0644 deploy/agent.toml "$2/$name/agent.example.toml"
    # No time and no name in gzip's header (-n).
    tar --create --directory "$2" --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 \
        --numeric-owner "$name" | gzip -9n >"$OUT/$name.tar.gz"
    echo "$OUT/$name.tar.gz"
}

# debian_package TARGET SCRATCH
debian_package() {
    local root=$2/debian file=$OUT/cabinwatch-agent_${VERSION}_${ARCHITECTURE[$1]}.deb
    local documents=$root/usr/share/doc/cabinwatch-agent
    install -D -m 0755 "$(program_of "$1")" "$root/usr/bin/cabinwatch-agent"
    install -D -m 0644 "$UNIT" "$root/usr/lib/systemd/system/cabinwatch-agent.service"
    install -D -m 0644 "$MINE/agent.toml" "$root/etc/cabinwatch/agent.toml"
    install -D -m 0644 deploy/agent.toml "$documents/agent.example.toml"
    install -m 0644 "$MINE/debian/copyright" "$documents/copyright"
    install -d "$root/DEBIAN"
    install -m 0755 "$MINE"/debian/{postinst,prerm,postrm} "$root/DEBIAN"
    echo /etc/cabinwatch/agent.toml >"$root/DEBIAN/conffiles"
    sed -e "s/@VERSION@/$VERSION/" -e "s/@ARCHITECTURE@/${ARCHITECTURE[$1]}/" -e "s/@KIB@/$(kibibytes "$root")/" \
        "$MINE/debian/control" >"$root/DEBIAN/control"
    # In the order of names; dpkg --verify compares with it.
    (cd "$root" && find etc usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
    find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    # Several threads would cut the data in other places.
    dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$file" >/dev/null
    echo "$file"
}

# What the files of a folder take in all, by their lengths: what a disk makes of it differs.
kibibytes() { find "$1/etc" "$1/usr" -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }'; }

main() {
    local targets=("$@") target scratch
    [ $# -gt 0 ] || targets=("${TARGETS[@]}")
    known_targets "${targets[@]}"
    mkdir -p "$OUT"
    for target in "${targets[@]}"; do
        scratch=$(mktemp -d)
        tar_package "$target" "$scratch"
        debian_package "$target" "$scratch"
        rm -rf "$scratch"
    done
}

main "$@"
