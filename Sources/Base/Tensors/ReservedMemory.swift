import Glibc

/// A failed request for memory.
package struct MemoryError: Error, CustomStringConvertible {
  package let byteCount: Int
  package let reason: String
  package var description: String { "cannot reserve \(byteCount >> 20) MiB of memory: \(reason)" }
}

/// Zeroed pages that the kernel supplies when they are first touched.
package final class ReservedMemory: @unchecked Sendable {
  package let base: UnsafeMutableRawPointer
  package let byteCount: Int

  /// Reserves addresses for `byteCount` bytes; throws where there are none.
  package init(byteCount: Int) throws {
    self.byteCount = max(byteCount, 1)
    let memory = mmap(nil, self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw MemoryError(byteCount: byteCount, reason: String(cString: strerror(errno)))
    }
    base = memory
    // Huge pages spare address translation; where the kernel grants none, nothing is lost.
    _ = madvise(base, self.byteCount, MADV_HUGEPAGE)
  }

  deinit { munmap(base, byteCount) }
}
