#!/usr/bin/env bash
# Programs that tests start for real. Installed when missing and root; otherwise the tests that need
# them are skipped, each with its reason, and this says how to get them.
set -euo pipefail
export PATH="$PATH:/usr/sbin"
missing=()
command -v mosquitto >/dev/null || missing+=(mosquitto)
command -v influxd >/dev/null || missing+=(influxdb)
command -v chromium >/dev/null || missing+=(chromium)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
compgen -G '/usr/share/fonts/truetype/wqy/wqy-microhei*' >/dev/null || missing+=(fonts-wqy-microhei)
[ ${#missing[@]} -eq 0 ] && exit 0
line="apt-get install --yes --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Tests that need ${missing[*]} will be skipped. To run them: sudo $line" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# A package's own start-up of its service is refused: tests start what they need on free ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update --quiet=2
$line --quiet=2 >/dev/null
