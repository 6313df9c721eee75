#!/usr/bin/env bash
# bash .dvc/repair.sh    restores the files of DVC that a kill has left empty or cut; `make repro` runs it first
#
# DVC writes these files in place, and refuses to start when one is empty or cut. A damaged file is kept in .dvc/tmp/.
set -eu
cd "$(dirname "$0")/.."

last_character() { tail -c 1 "$1" | tr '\0' x; } # after a power failure a file may end with zero bytes

# A complete dvc.lock or data.dvc ends with a line break, and its last key has a value.
is_cut() {
    [ ! -s "$1" ] || [ -n "$(last_character "$1")" ] || [[ $(tail -n 1 "$1") =~ :\ *$ ]]
}

keep() {
    mkdir -p .dvc/tmp
    cp "$1" ".dvc/tmp/${1##*/}.damaged"
}

for file in dvc.lock data.dvc; do
    if [ -e "$file" ] && is_cut "$file"; then
        keep "$file"
        git -c core.hooksPath=/dev/null checkout --quiet -- "$file"
        echo "$file was empty or cut, and is restored from Git; .dvc/tmp/$file.damaged is what it was" >&2
    fi
done

# It lists the running commands of DVC, as JSON. DVC makes a new one.
lock=.dvc/tmp/rwlock
if [ -e $lock ] && [ "$(last_character $lock)" != '}' ]; then
    keep $lock
    rm $lock
    echo "$lock was empty or cut, and is removed; $lock.damaged is what it was" >&2
fi
