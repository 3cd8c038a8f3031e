#!/bin/sh
# Build the wheel, install it alone into a fresh environment, and use it from there: what is published has to work by itself.
set -eu
python=$1
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
"$python" -m build --wheel --outdir "$where/dist" . >"$where/log" 2>&1 || { cat "$where/log"; exit 1; }
"$python" -m venv "$where/venv"
"$where/venv/bin/pip" install --quiet --no-deps "$where"/dist/*.whl
cd "$where"
unset PYTHONPATH
cat >small.py <<'EOF'
from mainspring import System, component, ref

@component
def greeting(name: str):
    yield f"Hello, {name}"

system = System({"env": {"name": "wheel"}, "app": {"greeting": greeting(name=ref("env.name"))}})
EOF
venv/bin/python -W error -c 'from small import system
with system.started() as live: assert live["app.greeting"] == "Hello, wheel"'
venv/bin/mainspring check small:system
test -f "$(venv/bin/python -c 'import mainspring, pathlib; print(pathlib.Path(mainspring.__file__).parent)')/py.typed"
echo "The wheel works by itself."
