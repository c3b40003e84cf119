#!/bin/sh
# A picture of the web viewer in a headless browser: starts a run with `--viewer web`, or takes the address of one that runs.
#   tools/web_viewer_picture.sh OUT.png URL
#   tools/web_viewer_picture.sh OUT.png -- run configs/rgbd.toml      (arguments of `sensorium`)
# Needs Debian's chromium and chromium-driver, and python3. WAIT sets the seconds to wait for the first picture (default 45).
set -eu
[ $# -ge 2 ] || { echo "usage: $0 OUT.png URL | OUT.png -- SENSORIUM-ARGUMENTS" >&2; exit 2; }
out=$1; shift
here=$(cd "$(dirname "$0")/.." && pwd)
for tool in chromium chromedriver python3; do
  command -v $tool >/dev/null || { echo "no $tool: apt-get install chromium chromium-driver" >&2; exit 1; }
done
log=
if [ "$1" = -- ]; then
  shift
  log=$(mktemp)
  "${SENSORIUM:-$here/target/release/sensorium}" "$@" --viewer web >"$log" 2>&1 &
  run=$!
  trap 'kill -INT "$run" 2>/dev/null || :; rm -f "$log"' EXIT
  url=
  for _ in $(seq 60); do
    url=$(sed -n 's/.*\(http:\/\/[^ ]*url=rerun[^ ]*\).*/\1/p' "$log" | head -1)
    [ -n "$url" ] && break
    kill -0 "$run" 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 1
  done
  [ -n "$url" ] || { cat "$log" >&2; echo "no address of a web viewer in the run's log" >&2; exit 1; }
else
  url=$1
fi
python3 "$here/tools/web_viewer_picture.py" "$url" "$out" "${WAIT:-45}"
