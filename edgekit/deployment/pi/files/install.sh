#!/bin/sh
# Make the app ready to run on this board:
#   ./install.sh              the packages that it needs, in .venv beside this file
#   ./install.sh --service    the same, and a service that starts with the board (asks for sudo)
set -eu
cd "$(dirname "$0")"
fail() { echo "install.sh: $1" >&2; exit 1; }

case "${1:-}" in
    "" | --service) ;;
    *) fail "there is no option '$1'; it is called alone, or with --service." ;;
esac
case "$(uname -m)" in
    aarch64 | x86_64 | armv7l) ;;
    *) [ -d c ] || fail "there are no wheels for $(uname -m); make the bundle with 'edgekit deploy --runtime c'." ;;
esac
command -v python3 >/dev/null || fail "python3 is missing; run: sudo apt install python3-venv"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "python3 is older than 3.9; use a newer system."
# A 64-bit processor may have a 32-bit system: what counts is the Python.
bits=$(python3 -c 'import sys; print(64 if sys.maxsize > 2**32 else 32)')
needs=requirements.txt
if [ -d c ]; then
    python3 -m classify.library || exit 1
elif [ "$bits" = 32 ]; then
    needs=requirements-32bit.txt
    [ -f $needs ] || fail "ONNX Runtime has no wheels for a 32-bit system; deploy the .tflite file, or use a 64-bit system."
    python3 -c 'import sys; sys.exit(sys.version_info >= (3, 12))' \
        || fail "tflite-runtime ends with Python 3.11 (Debian 12); make the bundle with 'edgekit deploy --runtime c'."
fi

# Without the system's ensurepip an environment is made that has no pip.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    system=""
    # The system's NumPy where PyPI has none, and the system's camera package where it is installed.
    case "$bits$(uname -m)" in 64aarch64 | 64x86_64) ;; *) system="--system-site-packages" ;; esac
    if python3 -c 'import picamera2' 2>/dev/null; then system="--system-site-packages"; fi
    python3 -m venv $system .venv || fail "no virtual environment can be made; run: sudo apt install python3-venv"
fi
if [ -d wheels ]; then
    .venv/bin/python -m pip install --quiet --no-index --find-links wheels -r $needs \
        || fail "the wheels in wheels/ are not those for this board; see README.md."
else
    # Where there is no wheel, building NumPy would take a small board hours.
    .venv/bin/python -m pip install --quiet --only-binary :all: -r $needs \
        || fail "the packages cannot be installed; check the network, or bring them in wheels/ (see README.md)."
fi
.venv/bin/python app.py --help >/dev/null
echo "ready: .venv/bin/python app.py predict --help"

if [ "${1:-}" = --service ]; then
    case "$PWD" in *[!A-Za-z0-9/._-]*) fail "move this folder to a path of plain letters for a service: $PWD" ;; esac
    # By the model's name, since a folder that had another model before may have that one's unit, too.
    name=$(.venv/bin/python -c 'import json; print(json.load(open("model.json", encoding="utf-8"))["name"])').service
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    sed -e "s|@FOLDER@|$PWD|g" -e "s|@USER@|$(id -un)|g" "$name" | $sudo tee "/etc/systemd/system/$name" >/dev/null
    # One that was made of this folder for another model would go on with that, at the same port.
    for other in $(grep -lsxF "WorkingDirectory=$PWD" /etc/systemd/system/*.service); do
        [ "$other" = "/etc/systemd/system/$name" ] || $sudo systemctl disable --now "$(basename "$other")"
    done
    $sudo systemctl daemon-reload
    $sudo systemctl enable "$name"
    $sudo systemctl restart "$name"  # one that is running already would go on with the old model
    sleep 3
    systemctl is-active --quiet "$name" \
        || fail "the service does not run; see why with: journalctl -u $name (is its port in use? APP_PORT is another one)"
    echo "started: systemctl status $name"
fi
