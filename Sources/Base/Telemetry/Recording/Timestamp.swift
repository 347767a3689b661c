internal import Glibc

/// Nanoseconds of this host's monotonic clock: one clock for all processes of a host, another on every other host.
package enum Timestamp {
  @inline(__always) package static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
