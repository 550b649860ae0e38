#!/bin/sh
# backup.sh FOLDER ARCHIVE: packs a folder, and puts it in the place of the archive before.
set -eu
folder=$1 archive=$2
say() { # event: topic, outcome
    event="{\"topic\": \"$1\", \"body\": {\"agent\": \"$(id -un)\", \"outcome\": \"$2\"}}" # event
    printf '%s\n' "$event" | socat -t 5 - "UNIX-CONNECT:$TUBEPOST_AGENT_SOCKET" | grep '^ok' >&2 || : # event
} # event
trap 'rm -f "$archive.new"' EXIT
if tar -czf "$archive.new" -C "$folder" .; then
    mv "$archive.new" "$archive"
    outcome=done
else
    outcome=failed
fi
say "org.example.backup.$outcome" "$outcome" # event
test "$outcome" = done
