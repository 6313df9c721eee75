#!/usr/bin/env bash
# bash .ci/setup.sh [dev]    makes .venv, installs the locked dependencies, configures DVC: whatever of it is missing
#
# `make` runs it before the commands that need it. A .venv that cannot work any more is made anew.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd -P)
python=.venv/bin/python

case ${OSTYPE-} in
    msys* | cygwin* | win32)
        echo 'error: Windows is supported through WSL: run `wsl --install`, and clone the project inside WSL' >&2
        exit 2 ;;
esac

unset PYTHONHOME PYTHONPATH # of another Python

# Of pip's settings only those count that say how an index is reached. The others, as PIP_USER and PIP_TARGET, would
# install elsewhere, or not at all. Options and variables overrule pip's configuration files.
for name in ${!PIP_@}; do
    case $name in
        PIP_CONFIG_FILE | PIP_*INDEX* | PIP_FIND_LINKS | PIP_TRUSTED_HOST | PIP_PROXY | PIP_*CERT | PIP_*TIMEOUT) ;;
        PIP_RETRIES | PIP_KEYRING_PROVIDER | PIP_*CACHE_DIR | PIP_NO_INPUT | PIP_USE_FEATURE | PIP_USE_DEPRECATED) ;;
        *) unset "$name" ;;
    esac
done
export PIP_REQUIRE_HASHES=0 PIP_NO_DEPS=0 PIP_DRY_RUN=0 PIP_IGNORE_INSTALLED=0

pip_install() {
    $python -I -m pip install --disable-pip-version-check --no-user --target= --prefix="$root/.venv" \
        --root=/ --no-binary=:none: --only-binary=:none: "$@"
}

# Prints why .venv cannot work; nothing where it can.
damage() {
    local made_in
    if [ ! -x $python ]; then
        echo 'has no Python'
    elif [ ! -e .venv/bin/pip ]; then
        echo 'has no pip'
    else
        # pip writes the absolute path of .venv into the first or second line of each script.
        made_in=$(sed -nE "1,2s,^(#!|'''exec' )[\"']?(/.*)/bin/python[0-9.]*[\"']?( .*)?$,\2,p" .venv/bin/pip)
        if [ -n "$made_in" ] && ! [ "$made_in" -ef .venv ]; then
            echo "was made as $made_in"
        else
            # After a signal the exit code is above 128: it is no fault of .venv.
            $python -I -c 'import pip' 2> /dev/null || [ $? -gt 128 ] || echo 'cannot start pip'
        fi
    fi
}

# Prints a supported Python other than that of .venv, which `make` and an activated shell put first.
supported_python() {
    local name check='import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
    PATH=$(tr : '\n' <<< "$PATH" | grep -vxF "$root/.venv/bin" | paste -sd : -)
    for name in ${PYTHONS:-python3 python3.13 python3.12 python3.11 python}; do
        if "$name" -c "$check" 2> /dev/null; then
            command -v "$name"
            return
        fi
    done
    echo 'error: no Python 3.11, 3.12 or 3.13 with venv found; install one, or name it: make setup PYTHONS=/path/to/python' >&2
    exit 2
}

# install_lock STAMP LOCK: installs the lock's packages unless the stamp is newer than the lock and pyproject.toml.
install_lock() {
    if [ ! -e "$1" ] || [ "$2" -nt "$1" ] || [ pyproject.toml -nt "$1" ]; then
        for info in .venv/lib/python*/site-packages/*.dist-info; do
            [ -e "$info/RECORD" ] || rm -rf "$info" # of an installation that was killed: pip would take it for complete
        done
        pip_install --require-hashes -r "$2"
        [ "$1" != .venv/installed ] || pip_install --quiet --no-deps --no-build-isolation --editable .
        touch "$1"
    fi
}

# DVC keeps pickles in its site cache, by default in a folder that every user may write. See SECURITY.md.
configure_dvc() {
    local site_cache=$root/.dvc/tmp/site_cache configured='' reason
    if [ -e .dvc/config.local ]; then
        configured=$(sed -nE "s/^ *site_cache_dir *= *[\"']?(.*[^\"'])[\"']?$/\1/p" .dvc/config.local)
    fi
    case $configured in
        "$site_cache") ;;
        '' | */.dvc/tmp/site_cache)
            reason=$($python -I -m dvc config --local core.site_cache_dir "$site_cache" 2>&1) || {
                echo "error: DVC cannot set core.site_cache_dir in .dvc/config.local (${reason##*$'\n'}): fix that file" >&2
                exit 2
            } ;;
        *) ;; # the user's choice
    esac
}

why=$(damage)
if [ -n "$why" ]; then
    base=$(supported_python)
    [ ! -e .venv ] || echo ".venv $why, and is made anew" >&2
    "$base" -m venv --clear .venv
fi
install_lock .venv/installed requirements.lock
[ "${1-}" != dev ] || install_lock .venv/installed-dev requirements-dev.lock
configure_dvc
