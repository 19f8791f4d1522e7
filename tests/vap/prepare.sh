#!/usr/bin/env bash
# Builds the virtual access point under .cache/vap, and says so before each step. What is there is used: the second run
# takes some ten seconds. `tests/scripts/setup.sh vap` has installed the packages before.
#
#   kernel/     Debian's stock kernel, unpacked and not installed: vmlinuz, and the modules that the access point needs
#   root/       a Debian with systemd and the daemons of an access-point gateway
#   initrd.gz   a busybox that mounts the disk
#   disk.ext4   root/ with our agent in it, as it is installed on a gateway; every run starts from a copy
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly HERE=$PWD/tests/vap
readonly CACHE=$PWD/.cache/vap
readonly TARGET=x86_64-unknown-linux-musl
readonly AGENT=.cache/cross/$TARGET/cabinwatch-agent
readonly PACKAGES=systemd-sysv,udev,kmod,iproute2,iw,procps,busybox-static,hostapd,wpasupplicant,wireless-regdb,dnsmasq,isc-dhcp-client,udhcpc,freeradius,freeradius-utils,rsyslog,python3
# For the root: the simulated radios with their ciphers, the network, and the channel to the host.
readonly MODULES=(mac80211_hwsim ccm cmac gcm ctr cbc michael_mic bridge veth af_packet ipv6
    virtio_net virtio_rng virtio_console ext4 virtio_pci virtio_blk qemu_fw_cfg)
readonly BOOT_MODULES=(virtio_pci virtio_blk ext4 crc32c_generic)
readonly DISK_SIZE=1G
readonly LEFT_OUT=(dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    sys-fs-fuse-connections.mount sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount
    modprobe@{configfs,drm,efi_pstore,fuse,loop,dm_mod}.service kmod-static-nodes.service
    getty.target getty-static.service console-getty.service systemd-logind.service systemd-user-sessions.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service
    systemd-timesyncd.service systemd-networkd.service systemd-pstore.service systemd-sysusers.service
    e2scrub_all.timer e2scrub_reap.service fstrim.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    systemd-tmpfiles-clean.timer ldconfig.service networking.service)

say() { printf 'vap: %s\n' "$*"; }
fail() {
    printf 'vap: %s\n' "$*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "this must run as root: debootstrap and the file system's owners need it"
[ "$(uname -m)" = x86_64 ] || fail "this needs an x86_64 machine: its Debian is of that architecture"

# unless_built NAME TEXT COMMAND...: runs the command in an empty folder that becomes .cache/vap/NAME when all went well.
# TEXT is what it is made of: another text, and it is built anew.
unless_built() {
    local folder=$CACHE/$1 made_of=$2
    shift 2
    [ "$(cat "$folder.made-of" 2>/dev/null)" = "$made_of" ] && return 0
    rm -rf "$folder" "$folder.part" "$folder.made-of"
    mkdir -p "$folder.part"
    "$@" "$folder.part"
    mv "$folder.part" "$folder"
    echo "$made_of" >"$folder.made-of"
}

kernel_package() {
    apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }'
}

unpack_kernel() {
    local package
    package=$(kernel_package)
    [ -n "$package" ] || fail "apt knows no linux-image-amd64; this needs a Debian with its package lists (apt-get update)"
    say "downloading and unpacking $package (70 MB)"
    mkdir "$1/download" "$1/all"
    (cd "$1/download" && apt-get download -qq -o APT::Sandbox::User=root "$package")
    dpkg-deb --extract "$1"/download/*.deb "$1/all"
    pick_modules "$1/all" "$1" "${MODULES[@]}"
    cp "$1"/all/boot/vmlinuz-* "$1/vmlinuz"
    rm -rf "$1/download" "$1/all"
}

# pick_modules FROM TO NAME...: copies modules with all they need.
pick_modules() {
    local from=$1 to=$2 version path
    version=$(basename "$from"/lib/modules/*)
    depmod -b "$from" "$version"
    modules_in_order "$from" "${@:3}" | while read -r path; do
        install -D -m 644 "$path" "$to/lib/modules/$version/${path#*"/$version/"}"
    done
    cp "$from/lib/modules/$version"/modules.{builtin,order,builtin.modinfo} "$to/lib/modules/$version/"
    depmod -b "$to" "$version"
}

# Each module after those it needs. What is built into the kernel has no file.
modules_in_order() {
    local from=$1 name
    for name in "${@:2}"; do
        modprobe -d "$from" -S "$(basename "$from"/lib/modules/*)" --show-depends "$name" |
            awk '$1 == "insmod" { print $2 }' || exit
    done | awk '!seen[$0]++'
}

make_root() {
    say "making a Debian with the gateway's daemons by debootstrap (some two minutes)"
    debootstrap --variant=minbase --include="$PACKAGES" bookworm "$1" >"$CACHE/debootstrap.log" 2>&1 || {
        tail "$CACHE/debootstrap.log" >&2
        fail "debootstrap failed; all it said is in $CACHE/debootstrap.log"
    }
    rm -rf "$1"/usr/share/{doc,man,info,locale}/* "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*.log
    cp -a "$CACHE/kernel/lib/modules" "$1/usr/lib/"
}

make_initrd() {
    local path
    say "making the initrd"
    mkdir "$1"/{bin,proc,sys,dev,root,modules}
    cp "$CACHE/root/bin/busybox" "$1/bin/"
    install -m 755 "$HERE/guest/initrd-init" "$1/init"
    modules_in_order "$CACHE/kernel" "${BOOT_MODULES[@]}" | while read -r path; do
        cp "$path" "$1/modules/"
        basename "$path" >>"$1/modules/in-order"
    done
    (cd "$1" && find . | cpio --quiet --create --format=newc | gzip -9) >"$CACHE/initrd.gz"
}

# What is ours: always put in anew. The agent is installed as on a gateway whose daemons are not all root.
install_ours() {
    local root=$CACHE/root unit
    install -m 755 "$AGENT" "$root/usr/bin/cabinwatch-agent"
    install -m 644 cross/cabinwatch-agent.service "$root/etc/systemd/system/"
    chroot "$root" getent passwd cabinwatch >/dev/null || chroot "$root" useradd --system --user-group cabinwatch
    install -d "$root/etc/cabinwatch"
    cp -a "$HERE/guest/etc/." "$root/etc/"
    rm -rf "$root/usr/local/lib/vap"
    install -d "$root/usr/local/lib/vap"
    install -m 755 "$HERE"/guest/bin/* "$root/usr/local/lib/vap/"
    chown -R root:root "$root/etc/cabinwatch" "$root/usr/local/lib/vap"
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    rm -f "$root"/etc/systemd/system/*.wants/{hostapd,wpa_supplicant,dnsmasq,freeradius}.service
    for unit in vap cabinwatch-agent; do
        ln -sf "../$unit.service" "$root/etc/systemd/system/multi-user.target.wants/"
    done
    # FreeRADIUS logs to syslog, every login.
    sed -i -E '/^log \{/,/^\}/ { s/^(\s*destination =).*/\1 syslog/; s/^(\s*auth =).*/\1 yes/ }' \
        "$root/etc/freeradius/3.0/radiusd.conf"
    chroot "$root" chown -R freerad:freerad /etc/freeradius
    # The test starts the daemons; what else a Debian does at its boot would only take time here.
    for unit in "${LEFT_OUT[@]}"; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # Without an identity every boot would be taken for the first.
    echo 6361626966776174636876617000000f >"$root/etc/machine-id"
    echo access-point >"$root/etc/hostname"
    echo "127.0.0.1 localhost access-point" >"$root/etc/hosts"
}

make_disk() {
    say "making the disk"
    rm -f "$CACHE/disk.ext4"
    truncate -s "$DISK_SIZE" "$CACHE/disk.ext4"
    mkfs.ext4 -q -F -d "$CACHE/root" -L access-point "$CACHE/disk.ext4"
}

main() {
    mkdir -p "$CACHE"
    unless_built kernel "${MODULES[*]}" unpack_kernel
    unless_built root "$PACKAGES $(cat "$CACHE/kernel.made-of")" make_root
    unless_built initrd "$(cat "$CACHE/root.made-of") ${BOOT_MODULES[*]} $(sha256sum <"$HERE/guest/initrd-init")" make_initrd
    say "building the static agent (some minutes the first time)"
    cross/static-agent.sh "$TARGET"
    install_ours
    make_disk
}

main "$@"
