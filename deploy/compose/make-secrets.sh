#!/usr/bin/env bash
# Makes what the stack needs and nobody else may have: the broker's access list and users, an authority, the broker's
# certificate, and a key for the scoring API. As root; run it again when the fleet changes, then `docker compose kill -s HUP broker`. To renew the
# certificate, or for another BROKER_HOST, delete broker/certs/broker.pem first, and restart the broker.
#
#   make-secrets.sh TAILS      file with the aircraft's tails, one a line
#
# It leaves secrets/passwords/TAIL and secrets/ca.pem: give both to that aircraft, and delete the password.
#
# Variables: BROKER_HOST, the name or address under which aircraft reach the broker; GROUND_IMAGE; ENGINE, docker or
# podman.
set -euo pipefail
tails=$(realpath "${1:?name the file with the tails of the aircraft, one a line}")
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly IMAGE=${GROUND_IMAGE:-localhost/cabinwatch-ground}
readonly BROKER_USER=1883 GROUND_USER=65532
umask 077
mkdir -p broker/certs secrets/passwords

"${ENGINE:-docker}" run --rm --network none --user 0:0 -v "$PWD/broker:/broker" -v "$tails:/tails:ro" "$IMAGE" \
    broker-config --tails /tails --out /broker --identity passwords \
    --installed-at /mosquitto/config --data /mosquitto/data >/dev/null

# openssl says how it gets on, which nobody needs to know before it fails.
quietly() {
    local said
    said=$("$@" 2>&1) || {
        printf 'make-secrets.sh: %s\n' "$said" >&2
        exit 1
    }
}

# A key, and a request to certify it, or with -x509 a certificate.
new_key() { quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc "$@"; }

if ! [ -f secrets/ca.pem ]; then
    new_key -x509 -days 3650 -subj "/CN=Cabinwatch broker authority" -keyout secrets/ca.key -out secrets/ca.pem
fi
if ! [ -f broker/certs/broker.pem ]; then
    case ${BROKER_HOST:=localhost} in
    *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) host=IP:$BROKER_HOST ;;
    *) host=DNS:$BROKER_HOST ;;
    esac
    new_key -subj /CN=broker -keyout broker/certs/broker.key -out broker/certs/broker.csr
    quietly openssl x509 -req -days 825 -in broker/certs/broker.csr -CA secrets/ca.pem -CAkey secrets/ca.key \
        -extfile <(echo "subjectAltName=DNS:broker,$host") -out broker/certs/broker.new
    rm broker/certs/broker.csr
    mv broker/certs/broker.new broker/certs/broker.pem
fi

# Passwords leave the folder that the broker sees. There are new ones for new names only.
find broker/passwords -type f -exec mv {} secrets/passwords/ \;
for name in ingest publish; do
    [ ! -f "secrets/passwords/$name" ] || mv "secrets/passwords/$name" "secrets/$name-password"
done
if ! [ -f secrets/api-keys ]; then
    printf 'default:%s\n' "$(openssl rand -hex 32)" >secrets/api-keys
fi
chown -R "$BROKER_USER:$BROKER_USER" broker
chown "$GROUND_USER:$GROUND_USER" secrets/*-password secrets/api-keys
chmod 0444 secrets/ca.pem
# Containers reach their files by these.
chmod 0711 secrets
