#!/bin/sh
# Fetches the third-party files that Countersign embeds (fonts, Swagger UI) or tests with (axe), from
# npm at the versions of package-lock.json, without running anybody's scripts. Every file
# is checked against SHA256SUMS. Does nothing when all files are in place.
set -eu
cd "$(dirname "$0")"
root=$(cd .. && pwd)

sum() {
	if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# SHA256SUMS has one line per file: digest, place in node_modules, place in this repository.
in_place() {
	while read -r want _ to; do
		[ -f "$root/$to" ] && [ "$(sum "$root/$to")" = "$want" ] || return 1
	done <SHA256SUMS
}

if in_place; then
	exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
while read -r want from to; do
	have=$(sum "node_modules/$from")
	if [ "$have" != "$want" ]; then
		echo "fetch.sh: $from has digest $have, expected $want" >&2
		exit 1
	fi
	mkdir -p "$root/$(dirname "$to")"
	cp "node_modules/$from" "$root/$to.part"
	mv "$root/$to.part" "$root/$to"
done <SHA256SUMS
# The folder for axe holds fetched files only, so it ignores itself.
echo '*' >"$root/internal/web/testdata/axe/.gitignore"
in_place
