#!/usr/bin/env bash
# Runs code under one of clang's sanitizers: sanitize.sh c|address|thread|undefined [FILTER]
#
#   c           our C alone, address and undefined behaviour: one minute on two idle cores, nearly all of it compiling
#   address     tests of readers, loaders and kernels: reads and writes outside of memory, use after free, leaks
#   thread      tests of ranks as threads, the worker pool, the engine and the server: data races. Swift's own locks are
#               shown to the sanitizer (sanitize/mutexes.c); that it sees them, and races, is looked at first
#   undefined   the same tests as address: undefined behaviour of C
#
# FILTER, a regular expression over Target.Suite/test, chooses other tests. Each sanitizer builds all tests in a folder
# of its own (.build/address, …), which takes a quarter of an hour and more at first, and some gigabytes.
set -euo pipefail
shopt -s globstar
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A crash is to fail at once: Swift's own backtrace of a test process takes minutes.
export SWIFT_BACKTRACE=enable=no
# The first report ends a run, with its place in the sources.
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:detect_leaks=0} UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

# Swift's own clang, whose sanitizers fit Swift's: beside the real swift, where it is, or the system's.
swift_clang() {
  local clang
  clang="$(dirname "$(readlink -f "$(command -v swift)")")/clang"
  if [ -x "$clang" ]; then printf '%s\n' "$clang"; else command -v clang; fi
}

# Compiles a file of C with the clang and flags of who calls, and further OPTIONs. Inlined vector code took nearly all
# of the run to compile. It is checked by calls, and its pointers by the addresses that they lead to: its loads say
# themselves what need not be aligned, and the same in portable C is checked in full.
compile() { # FILE OBJECT [OPTION…]
  local checks=()
  case "$1" in
    *_avx2.c | *_avx512.c | *_amx.c | *_vbmi.c)
      checks=("-fno-sanitize=null,alignment,pointer-overflow,object-size" -mllvm -asan-instrumentation-with-call-threshold=0)
      ;;
  esac
  "$clang" "${flags[@]}" "${checks[@]}" "${@:3}" -c "$1" -o "$2"
}

c_alone() {
  local clang folder file program status=0
  clang=$(swift_clang)
  folder=$(mktemp -d)
  # Optimised a little, or the kernels of all sizes take minutes; some files at once, or compiling does.
  local flags=(-O1 -gline-tables-only -Wall -Werror "-fsanitize=address,undefined" -fno-sanitize-recover=all -fno-omit-frame-pointer
    -I Sources/Base/CKernels/include -I Sources/Base/CHost/include -I Sources/Model/CChecksum/include
    -I Sources/Learning/CGradients/include)
  for file in Sources/Base/CKernels/**/*.c Sources/Model/CChecksum/*.c Sources/Base/CHost/{pool,limits,digest}.c \
    Sources/Learning/CGradients/*.c Tests/*/Sanitized/*.c; do
    while [ "$(jobs -r | wc -l)" -ge "$(nproc)" ]; do wait -n || status=1; done
    compile "$file" "$folder/${file//\//-}.o" &
  done
  while [ "$(jobs -r | wc -l)" -gt 0 ]; do wait -n || status=1; done
  if [ "$status" -eq 0 ]; then
    for program in "$folder"/Tests-*.o; do
      "$clang" "${flags[@]}" "$program" "$folder"/Sources-*.o -o "$folder/program" -lm -lpthread
      "$folder/program" || status=$?
    done
  fi
  # What is written for AMX's tiles meets tiles in C, where the processor has all else that it needs.
  if [ "$status" -eq 0 ] && grep -qw avx512_vnni /proc/cpuinfo; then
    file=Sources/Base/CKernels/Matmul/Int8/matmul_int8_amx.c program=$folder/Tests-KernelsTests-Sanitized-kernels.c.o
    compile "$file" "$folder/${file//\//-}.o" -include Tests/KernelsTests/Sanitized/tiles.h || status=1
    "$clang" "${flags[@]}" "$program" "$folder"/Sources-*.o -o "$folder/program" -lm -lpthread || status=1
    [ "$status" -ne 0 ] || "$folder/program" --int8 amx || status=$?
  fi
  rm -r "$folder"
  return $status
}

# Builds what is preloaded, for ThreadSanitizer to see the locks of Swift's Mutex, and tries it: no report of what a lock
# guards, and one of what none does.
show_locks() { # FOLDER
  local program=$1/contention status=0
  mkdir -p "$1"
  "$(swift_clang)" -O1 -Wall -Wextra -Werror -fPIC -shared deploy/sanitize/mutexes.c -o "$1/mutexes.so" -ldl
  swiftc -swift-version 6 -warnings-as-errors -sanitize=thread -g deploy/sanitize/contention.swift -o "$program"
  LD_PRELOAD=$1/mutexes.so "$program" inside || status=$?
  if [ "$status" -ne 0 ]; then
    echo "sanitize.sh: the sanitizer does not see the locks of this Swift's Mutex (deploy/sanitize/mutexes.c)" >&2
    return 1
  fi
  # The sanitizer's own status where it has reported something.
  TSAN_OPTIONS=halt_on_error=1:exitcode=66 LD_PRELOAD=$1/mutexes.so "$program" beside 2>"$1/contention.txt" || status=$?
  if [ "$status" -ne 66 ]; then
    cat "$1/contention.txt" >&2
    echo "sanitize.sh: the sanitizer does not see a race beside a lock (status $status)" >&2
    return 1
  fi
}

skipped=() preloaded=()
case "${1:-}" in
  c)
    c_alone
    exit
    ;;
  address | undefined)
    # What is freed is kept for a while by the address sanitizer: nobody can count the memory that a process takes.
    skipped=(--skip 'MutationTests/hostileFilesCostLittleMoreThanTheirSize')
    filter='^(JSONTests|KernelsTests|CheckpointsTests|TokenizationTests|ChatTemplatesTests|StructuredOutputTests|OpenAIProtocolTests|EngineAPITests|ExpertParallelismTests|FuzzTests)\.'
    ;;
  thread) filter='^(MachineTests|FabricTests\.(LocalFabricTests|AgreementTests|StallWatchTests)|ExpertParallelismTests|TreeReductionTests|HTTPServerTests|SupervisionTests|InferenceTests\.(GenerationLoopTests|LocalEngineTests|AgreementTests|PrefixCacheTests))' ;;
  *)
    sed -n '2,11{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac

options=(--sanitize "$1" --scratch-path ".build/$1")
if [ "$1" = thread ]; then
  show_locks "$PWD/.build/thread"
  preloaded=(env "LD_PRELOAD=$PWD/.build/thread/mutexes.so")
fi
swift build --build-tests "${options[@]}"
"${preloaded[@]}" swift test --skip-build --disable-xctest "${options[@]}" --filter "${2:-$filter}" "${skipped[@]}" --no-parallel </dev/null
