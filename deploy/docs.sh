#!/usr/bin/env bash
# Builds pages of all rooms' types out of the comments in the sources, led by Sources/Martinet.docc:
# docs.sh [FOLDER [BUILD]]
# Fails on every warning, such as a link that leads nowhere. Takes the modules of BUILD (.build/debug, which it makes
# where there is none) and docc of the Swift toolchain. To read them: python3 -m http.server -d FOLDER, then
# http://localhost:8000/documentation/martinet
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:-.build/docs}
build=${2:-.build/debug}
toolchain="$(dirname "$(readlink -f "$(command -v swift)")")"
if ! [ -x "$toolchain/docc" ]; then
  echo "docs.sh: there is no docc beside swift ($toolchain)" >&2
  exit 1
fi
[ -d "$build/Modules" ] || swift build

graphs=$(mktemp -d)
trap 'rm -r "$graphs"' EXIT
# The module maps that a build names, ours and those of packages: what a module's own imports need.
maps=()
while read -r map; do maps+=(-Xcc "-fmodule-map-file=$map"); done < <(
  find Sources "$(dirname "$build")/checkouts" -name module.modulemap -path '*/include/*'
  find "$build"/*.build -maxdepth 1 -name module.modulemap
)
while read -r file; do maps+=(-Xcc "-fmodule-map-file=$PWD/$file"); done < <(find Sources -name module.modulemap -not -path '*/include/*')
flags=()
# Where C of ours finds headers of C of ours.
for folder in Sources/*/C*/include; do flags+=(-Xcc "-I$PWD/$folder"); done
while read -r flag; do flags+=(-Xcc "$flag"); done < <(pkg-config --cflags-only-I ompi-c openblas libpcre2-8 numa | tr ' ' '\n' | grep .)
echo "== Reading the rooms"
while read -r room; do
  name=$(basename "$room")
  if [ ! -e "$build/Modules/$name.swiftmodule" ]; then continue; fi
  "$toolchain/swift-symbolgraph-extract" -module-name "$name" -I "$build/Modules" -minimum-access-level internal \
    -skip-synthesized-members -skip-inherited-docs -target "$(uname -m)-unknown-linux-gnu" "${maps[@]}" "${flags[@]}" -output-dir "$graphs"
done < <(find Sources -mindepth 2 -maxdepth 2 -type d | sort)
# What a room adds to another module's types has no page.
rm -f "$graphs"/*@*

echo "== Writing the pages to $out"
rm -rf "$out"
"$toolchain/docc" convert Sources/Martinet.docc --additional-symbol-graph-dir "$graphs" --fallback-display-name Martinet \
  --fallback-bundle-identifier martinet --warnings-as-errors --output-path "$out"
