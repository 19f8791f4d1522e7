#!/bin/bash
# Runs on the booted machine: installs, upgrades and removes the agent in both ways, writes down what became of its
# service at each step, and powers off.
exec >/var/lib/cabinwatch-test/log 2>&1
cd /var/lib/cabinwatch-test || exit
set -x

note() {
    systemctl show cabinwatch-agent.service \
        --property=LoadState --property=UnitFileState --property=ActiveState --property=MainPID >"$1"
}

configure() { sed -i 's/^#tail = "TC-JJA"$/tail = "TC-PKG"/' /etc/cabinwatch/agent.toml; }

dpkg --install /root/agent.deb
note deb-unconfigured
dpkg --purge cabinwatch-agent
mkdir -p /etc/cabinwatch
echo 'tail = "TC-PKG"' >/etc/cabinwatch/agent.toml
dpkg --force-confold --install /root/agent.deb
note deb-installed
dpkg --install /root/newer.deb
note deb-upgraded
dpkg --remove cabinwatch-agent
note deb-removed
dpkg --purge cabinwatch-agent
note deb-purged

/root/package/install.sh
note tar-unconfigured
configure
/root/package/install.sh
note tar-installed
/root/package/install.sh
note tar-again
echo >>/root/package/cabinwatch-agent
/root/package/install.sh
note tar-upgraded
/root/package/install.sh --uninstall
note tar-removed

systemctl --no-block poweroff
