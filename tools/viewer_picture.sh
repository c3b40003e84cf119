#!/bin/sh
# A picture of a recording as Rerun's native viewer shows it, without screen or GPU.
#   tools/viewer_picture.sh RECORDING.rrd OUT.png
# Needs Debian's xvfb, mesa-vulkan-drivers, libvulkan1, and the viewer of the version that wrote the recording:
#   python3 -m venv target/rerun-venv && target/rerun-venv/bin/pip install rerun-sdk==0.36.3 pillow
# RERUN names another viewer, SECONDS_LIMIT the longest wait (default 300).
set -eu
[ $# -eq 2 ] || { echo "usage: $0 RECORDING.rrd OUT.png" >&2; exit 2; }
recording=$1 out=$2
here=$(cd "$(dirname "$0")/.." && pwd)
venv=${VENV:-$here/target/rerun-venv}
rerun=${RERUN:-$venv/bin/rerun}
limit=${SECONDS_LIMIT:-300}
icd=${VK_ICD_FILENAMES:-/usr/share/vulkan/icd.d/lvp_icd.x86_64.json}
[ -s "$recording" ] || { echo "no recording: $recording" >&2; exit 1; }
[ -x "$rerun" ] || { echo "no viewer at $rerun: python3 -m venv $venv && $venv/bin/pip install rerun-sdk==0.36.3 pillow" >&2; exit 1; }
command -v Xvfb >/dev/null || { echo "no Xvfb: apt-get install xvfb" >&2; exit 1; }
[ -f "$icd" ] || { echo "no software Vulkan at $icd: apt-get install mesa-vulkan-drivers libvulkan1" >&2; exit 1; }

work=$(mktemp -d)
trap 'kill "$screen" 2>/dev/null || :; rm -rf "$work"' EXIT
# The pointer waits in the middle of the screen: on one so large that is beside the window, where it opens no tooltip.
Xvfb -noreset -displayfd 3 -screen 0 4000x2400x24 3>"$work/display" 2>/dev/null &
screen=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s "$work/display" ] && break; sleep 0.5; done
display=$(cat "$work/display")
[ -n "$display" ] || { echo "Xvfb did not start" >&2; exit 1; }

# A home of its own: no welcome, no question about analytics, no window state from before.
HOME="$work" "$rerun" analytics disable >/dev/null 2>&1 || :
# The viewer may panic while it closes, after the picture is written: the file tells, not the status.
HOME="$work" XDG_RUNTIME_DIR="$work" VK_ICD_FILENAMES="$icd" DISPLAY=":$display" timeout "$limit" \
  "$rerun" "$recording" --port auto --window-size 1600x900 --screenshot-to "$work/shot.png" >"$work/log" 2>&1 || :
[ -s "$work/shot.png" ] || { tail -5 "$work/log" >&2; echo "the viewer wrote no picture" >&2; exit 1; }

# The picture comes at twice the window's size.
if "$venv/bin/python" -c "import PIL" 2>/dev/null; then
  "$venv/bin/python" - "$work/shot.png" "$out" <<'PY'
import sys
from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
picture.resize((1600, 900), Image.Resampling.LANCZOS).save(sys.argv[2], optimize=True)
PY
else
  cp "$work/shot.png" "$out"
fi
echo "$out"
