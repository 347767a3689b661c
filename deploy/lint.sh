#!/usr/bin/env bash
# Holds every kind of file to its layout and to the faults its linter knows: lint.sh [PART…]
# Parts: swift c neon shell executables python scripts pages. Needs what `install-packages.sh --linters` installs; a
# part whose tool is missing is named at the end, and fails nothing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ -f "$file" ] && printf '%s\n' "$file"; done; }

swift_layout() { swift format lint --strict --parallel --recursive Package.swift Sources Tests benchmarks; }

c_layout() { files '*.c' '*.h' '*.js' | xargs clang-format --dry-run -Werror; }

# The kernels for Armv8 compile, a file on each core. Tests/Reference/run_kernels_in_qemu.sh runs them.
neon() {
  local clang
  clang="$(dirname "$(readlink -f "$(command -v swift)")")/clang"
  [ -x "$clang" ] || clang=clang
  files 'Sources/Base/CKernels/*.c' 'Sources/Base/CHost/*.c' 'Sources/Model/CChecksum/*.c' 'Sources/Learning/CGradients/*.c' |
    xargs -P "$(nproc)" -n 1 "$clang" --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -fsyntax-only \
      -Wall -Wextra -Werror -I Sources/Base/CKernels/include -I Sources/Base/CHost/include -I Sources/Model/CChecksum/include \
      -I Sources/Learning/CGradients/include
}

shells() {
  local file
  while read -r file; do
    if head -n 1 "$file" | grep -qaE '^#!.*\bbash$'; then printf '%s\n' "$file"; fi
  done < <(files) | xargs shellcheck --external-sources
}

# What names its interpreter is called by its path, so it must be allowed to run. Slurm reads its batch files itself.
executables() {
  local file bad=0
  while read -r file; do
    if [[ "$file" != *.sbatch ]] && [ ! -x "$file" ] && head -c 2 "$file" | grep -qa '^#!'; then
      printf '%s begins with #! and may not be run: chmod +x\n' "$file"
      bad=1
    fi
  done < <(files)
  return $bad
}

python() { files '*.py' | xargs pyflakes3; }

# Each page's scripts as the program joins them, in one scope: names that nobody defines, wrong numbers of arguments,
# what is never used. What this compiler's age does not know of browsers (2339), and sums of unknown types (2363), are
# not faults.
scripts() {
  local page folder joined found file bad=0
  for page in Sources/Service/HTTPServer/Page/Resources/page.html Sources/Insight/Reports/Resources/training.html; do
    folder=$(dirname "$page")
    joined="$(mktemp -d)/page.js"
    {
      printf '(() => {\n"use strict";\n'
      sed -nE 's|^<script src="([^"]+)"></script>$|\1|p' "$page" | while read -r file; do cat "$folder/$file"; done
      printf '})();\n'
    } >"$joined"
    found=$(tsc --allowJs --checkJs --noEmit --noUnusedLocals --noUnusedParameters --noFallthroughCasesInSwitch \
      --target es2022 --lib es2022,dom,dom.iterable "$joined" | grep -vE 'error TS(2339|2363):')
    rm -r "$(dirname "$joined")"
    [ -z "$found" ] || { printf '%s: %s\n' "$page" "$found" && bad=1; }
  done
  return $bad
}

pages() {
  local file found bad=0
  for file in $(files '*.html'); do
    found=$(tidy -quiet -errors --drop-empty-elements no "$file" 2>&1 | grep -vE 'proprietary attribute "(enterkeyhint|inputmode)"')
    [ -z "$found" ] || { printf '%s: %s\n' "$file" "$found" && bad=1; }
  done
  return $bad
}

missing=()
failed=()
part() { # NAME TOOL-OR-FILE COMMAND
  [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]] || return 0
  if ! command -v "$2" >/dev/null && [ ! -e "$2" ]; then
    missing+=("$1 ($2)")
    return 0
  fi
  "$3" || failed+=("$1")
}
wanted=("$@")
part swift swift swift_layout
part c clang-format c_layout
part neon /usr/aarch64-linux-gnu/include neon
part shell shellcheck shells
part executables bash executables
part python pyflakes3 python
part scripts tsc scripts
part pages tidy pages

[ ${#missing[@]} -eq 0 ] || printf 'lint.sh: NOT LOOKED AT, because this is not installed: %s\n' "${missing[@]}" >&2
if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint.sh: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
