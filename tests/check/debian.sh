#!/bin/sh
# Does what a stranger does on a fresh Debian 12: in a minimal root made by debootstrap, with git
# and make installed and nothing else, runs `make demo` and `make test` in a clean clone of HEAD.
# Needs root, debootstrap, and the mirror that this machine's apt uses.
#
#     debian.sh [COMMAND…]        default: "make demo" "make test"
#
# TMPDIR chooses where the root is made (2 GiB).
set -eu

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "debian.sh: needs root and debootstrap" >&2
    exit 1
fi
[ $# -gt 0 ] || set -- "make demo" "make test"

root=$(mktemp -d)
chmod 755 "$root" # the tests inside run as an ordinary user, too
# Lazily and recursively: /dev brings its own mounts. Never remove a root that is still mounted.
clean_up() {
    for mount in dev sys proc; do
        ! mountpoint -q "$root/$mount" || umount -R -l "$root/$mount"
    done
    rm -rf --one-file-system "$root"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# apt's own view of the mirror, whichever file names it.
mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Identifier: Packages' |
    head -n 1)
debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}"

cp /etc/resolv.conf "$root/etc/resolv.conf"
apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries)' \
    >"$root/etc/apt/apt.conf.d/90host" || true
git clone -q --no-hardlinks . "$root/root/tsuga"

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --make-rslave "$root/sys"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"

# The environment is the stranger's, but for a proxy.
inside() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        chroot "$root" sh -c "$1"
}

inside 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q git make'
for command; do
    echo "==> $command"
    inside "cd /root/tsuga && $command"
done
