#!/bin/sh
# mcukd on emulated 64-bit Arm: Debian's packages and the wheels for aarch64 in a folder, run by qemu-user.
#
#   sudo experiments/arm64.sh FOLDER [COMMAND...]     (default: experiments/other_processor.py)
#
# Needs root, Debian or Ubuntu with mmdebstrap, arch-test and qemu-user-static, and .venv with pip and build. The
# folder is made at the first call; nothing is mounted after the command has ended. The packages are unpacked
# and not configured, and wheels are chosen and unpacked by this computer's pip: both would take an hour emulated.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
python="$checkout/.venv/bin/python"
mkdir -p "$1" && root=$(cd "$1" && pwd) && shift

if [ ! -e "$root/usr/bin/python3.11" ]; then
    mmdebstrap --arch=arm64 --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
        --include=python3.11,python3-distutils,gcc,libc6-dev,dash,bash,coreutils,sed,grep,git bookworm "$root"
    ln -sf gcc "$root/usr/bin/cc" && ln -sf python3.11 "$root/usr/bin/python3"
    "$python" -m build -q --wheel --outdir "$root/opt/wheel" "$checkout"
    # Platforms are named one by one: pip does not take an older one for granted. cobs 1.2.0 is the last with a wheel.
    set_of="--only-binary :all: --python-version 3.11 --platform manylinux2014_aarch64"
    for glibc in 17 24 26 27 28; do set_of="$set_of --platform manylinux_2_${glibc}_aarch64"; done
    wheel=$(echo "$root"/opt/wheel/*.whl)
    # shellcheck disable=SC2086
    "$python" -m pip install -q $set_of --target "$root/opt/mcukd" "$wheel[field,data]" pytest hypothesis
fi
[ $# -gt 0 ] || set -- python3 experiments/other_processor.py
mkdir -p "$root/checkout"
# shellcheck disable=SC2016
exec unshare --mount sh -c '
    root=$1 checkout=$2 && shift 2
    mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount --bind "$checkout" "$root/checkout"
    exec chroot "$root" env -i PATH=/opt/mcukd/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 \
        PYTHONPATH=/checkout:/opt/mcukd sh -c "cd /checkout && exec \"\$@\"" sh "$@"
' sh "$root" "$checkout" "$@"
