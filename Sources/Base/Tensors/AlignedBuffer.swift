import Glibc

/// An owned block of trivial elements, aligned to a cache line, zero at first; in huge pages if it fills one.
///
/// A plain class, not a collection: hot code reads and writes through `pointer`, whose lifetime is that of the buffer.
package final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  package let pointer: UnsafeMutablePointer<Element>
  package let count: Int

  /// Allocates `count` elements (at least one) of zero bytes.
  package init(count: Int) {
    self.count = max(count, 1)
    let byteCount = self.count * MemoryLayout<Element>.stride
    let isHuge = byteCount >= HugePage.byteCount
    let raw = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: isHuge ? HugePage.byteCount : 64)
    if isHuge { HugePage.advise(raw, byteCount: byteCount) }
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    pointer = raw.bindMemory(to: Element.self, capacity: self.count)
  }

  package convenience init(_ elements: [Element]) {
    self.init(count: elements.count)
    elements.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.update(from: base, count: source.count) }
    }
  }

  deinit { pointer.deallocate() }

  package var byteCount: Int { count * MemoryLayout<Element>.stride }
  package var buffer: UnsafeMutableBufferPointer<Element> { .init(start: pointer, count: count) }
}

/// Pages that spare address translation, and within which processors read ahead.
private enum HugePage {
  static let byteCount = 2 << 20

  /// Asks for whole huge pages from an address on; where the kernel grants none, nothing is lost.
  static func advise(_ start: UnsafeMutableRawPointer, byteCount: Int) {
    _ = madvise(start, byteCount / Self.byteCount * Self.byteCount, MADV_HUGEPAGE)
  }
}
