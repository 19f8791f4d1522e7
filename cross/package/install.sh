#!/bin/sh
# Installs the Cabinwatch agent on a gateway, or a newer one over an older one. Done twice, it changes nothing.
#
#   install.sh                      program, unit and configuration; enables and (re)starts the service
#   install.sh --uninstall          stops it and takes program and unit away; configuration and data stay
#   install.sh --uninstall --purge  takes those, too
#   install.sh --root FOLDER ...    the same in a root file system that is not running, e.g. of an image
#
# A configuration that is there is never touched. It needs nothing but a POSIX shell and busybox's tools.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=
action=install
purge=no
changed=no
first=no

unit=cabinwatch-agent.service
config=/etc/cabinwatch/agent.toml
documents=/usr/share/doc/cabinwatch-agent

say() { echo "cabinwatch: $*"; }
fail() {
    echo "cabinwatch: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --root)
        [ -d "${2:-}" ] || fail "--root wants a folder, and '${2:-}' is none"
        root=$(cd "$2" && pwd)
        root=${root%/}
        shift
        ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    *) fail "'$1' is not understood; the first lines of $0 say what is" ;;
    esac
    shift
done

# systemd takes orders only from the system it runs on.
running() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# The shell of the system, through its links: a program that surely fits the machine.
system_shell() {
    shell=/bin/sh
    while [ -L "$root$shell" ]; do
        link=$(readlink "$root$shell")
        case $link in
        /*) shell=$link ;;
        *) shell=$(dirname "$shell")/$link ;;
        esac
    done
    echo "$root$shell"
}

# What an ELF header says of the machine: the class (32 or 64 bits), the byte order, and the processor.
machine() {
    dd if="$1" bs=1 skip=4 count=2 2>/dev/null | od -An -tx1
    dd if="$1" bs=1 skip=18 count=2 2>/dev/null | od -An -tx1
}

check_machine() {
    shell=$(system_shell)
    [ -f "$shell" ] || fail "there is no /bin/sh in '$root/': is it a root file system?"
    [ "$(machine "$here/cabinwatch-agent")" = "$(machine "$shell")" ] ||
        fail "this package is for another architecture ($(basename "$here")); nothing was changed"
    # The same family is not yet the same processor.
    [ -n "$root" ] || "$here/cabinwatch-agent" --version >/dev/null ||
        fail "the program does not run on this machine ($(uname -m)); nothing was changed"
}

# Debian's package manager would not know what was changed behind its back.
check_no_package() {
    ! grep -A1 '^Package: cabinwatch-agent$' "$root/var/lib/dpkg/status" 2>/dev/null | grep -q ' installed$' ||
        fail "cabinwatch-agent is installed here as a Debian package; use apt or dpkg"
}

# put FILE PLACE MODE: whole or not at all, whenever the power goes.
put() {
    ! cmp -s "$here/$1" "$root$2" || return 0
    changed=yes
    mkdir -p "$(dirname "$root$2")"
    cp "$here/$1" "$root$2.new"
    chmod "$3" "$root$2.new"
    sync
    mv "$root$2.new" "$root$2"
}

install_files() {
    put cabinwatch-agent /usr/bin/cabinwatch-agent 755
    put "$unit" "/usr/lib/systemd/system/$unit" 644
    put agent.example.toml "$documents/agent.example.toml" 644
    put LICENSE "$documents/LICENSE" 644
    if [ -e "$root$config" ]; then
        say "$config is kept as it is"
    else
        put agent.toml "$config" 644
    fi
    sync
}

# The service begins with the machine. In a file system that doesn't run it is the link that systemctl would make.
enable() {
    if running; then
        systemctl daemon-reload
        systemctl --quiet enable "$unit"
    else
        mkdir -p "$wants"
        ln -sf "/usr/lib/systemd/system/$unit" "$wants/$unit"
    fi
}

start() {
    running || return 0
    systemctl daemon-reload
    if [ "$changed" = no ]; then
        systemctl start "$unit"
    elif problem=$(/usr/bin/cabinwatch-agent check-config --config "$config" 2>&1 >/dev/null); then
        systemctl restart "$unit"
    else
        say "not started; first:"
        echo "$problem"
    fi
}

remove() {
    if running && [ -f "/usr/lib/systemd/system/$unit" ]; then
        systemctl --quiet disable --now "$unit"
    fi
    rm -f "$wants/$unit" "$root/usr/bin/cabinwatch-agent" "$root/usr/lib/systemd/system/$unit"
    rm -rf "$root$documents"
    if running; then systemctl daemon-reload; fi
    if [ "$purge" = yes ]; then
        rm -rf "$root/var/lib/cabinwatch" "$root/var/lib/private/cabinwatch" "$root$config"
        # Certificates and passwords are not ours.
        rmdir "$root/etc/cabinwatch" 2>/dev/null || true
        say "removed, with configuration and data"
    else
        say "removed; /etc/cabinwatch and /var/lib/cabinwatch are kept"
    fi
}

wants=$root/etc/systemd/system/multi-user.target.wants
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail "this must be run as root"
check_no_package
if [ "$action" = uninstall ]; then
    remove
else
    [ "$purge" = no ] || fail "--purge goes with --uninstall"
    check_machine
    # An upgrade leaves it to the engineer whether the service begins by itself.
    [ -e "$root/usr/bin/cabinwatch-agent" ] || first=yes
    install_files
    [ "$first" = no ] || enable
    say "installed: $(basename "$here")"
    start
fi
