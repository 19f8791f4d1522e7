#!/usr/bin/env bash
# A certificate authority for those who have none, and certificates for a broker and its clients.
#
#   certificates.sh DIR HOST TAILS
#
#   DIR    folder for the files: ca.pem and ca.key (keep that one secret, and off the broker), broker.pem and
#          broker.key, and NAME.pem and NAME.key for each tail, `ingest` and `publish`
#   HOST   name or address under which clients reach the broker; several with commas between them
#   TAILS  the list that `broker-config --tails` takes
#
# What is there stays as it is: run it again for new tails. To renew a certificate, delete it first.
set -euo pipefail
umask 077

readonly AUTHORITY_DAYS=3650
readonly DAYS=397

fail() {
    printf 'certificates.sh: %s\n' "$*" >&2
    exit 2
}

[ $# -eq 3 ] || fail "usage: certificates.sh DIR HOST TAILS"
command -v openssl >/dev/null || fail "there is no openssl; install it"
readonly dir=$1 hosts=$2 tails=$3
[ -r "$tails" ] || fail "cannot read the list of tails $tails"
mkdir -p "$dir"

# openssl says how it gets on, which nobody needs to know before it fails.
quietly() {
    local said
    said=$("$@" 2>&1) || {
        printf 'certificates.sh: %s\n' "$said" >&2
        exit 1
    }
}

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc)

# As subjectAltName wants them: addresses and names differ.
alternative_names() {
    local host separator=''
    for host in ${hosts//,/ }; do
        case $host in
        *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) printf '%sIP:%s' "$separator" "$host" ;;
        *) printf '%sDNS:%s' "$separator" "$host" ;;
        esac
        separator=,
    done
}

# issue NAME EXTENSIONS
issue() {
    local name=$1 extensions=$2
    [ ! -e "$dir/$name.pem" ] || return 0
    quietly openssl req "${new_key[@]}" -subj "/CN=$name" -keyout "$dir/$name.key" -out "$dir/$name.csr"
    quietly openssl x509 -req -in "$dir/$name.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$DAYS" \
        -extfile <(printf 'basicConstraints=critical,CA:FALSE\n%s\n' "$extensions") -out "$dir/$name.new"
    rm "$dir/$name.csr"
    mv "$dir/$name.new" "$dir/$name.pem"
    echo "$dir/$name.pem"
}

if [ ! -e "$dir/ca.pem" ]; then
    quietly openssl req -x509 "${new_key[@]}" -days "$AUTHORITY_DAYS" -subj "/CN=Cabinwatch fleet" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$dir/ca.key" -out "$dir/ca.pem"
    echo "$dir/ca.pem"
fi
issue broker "extendedKeyUsage=serverAuth
subjectAltName=$(alternative_names)"
# The last line may lack its end.
while read -r name || [ -n "$name" ]; do
    [[ $name =~ ^[A-Za-z0-9-]{1,16}$ ]] || fail "\"$name\" in $tails is no tail"
    issue "$name" "extendedKeyUsage=clientAuth"
done < <(printf 'ingest\npublish\n' && sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$tails")
