/// Where buffers without elements begin: nothing there is read or written.
@usableFromInline nonisolated(unsafe) let nothing = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

// Where a buffer begins, for what takes an address and a count: where the count is 0 an address that stands for none,
// as a buffer without elements need not have one of its own.

extension UnsafeBufferPointer {
  @inlinable package var start: UnsafePointer<Element> {
    baseAddress ?? UnsafePointer(nothing.assumingMemoryBound(to: Element.self))
  }
}

extension UnsafeMutableBufferPointer {
  @inlinable package var start: UnsafeMutablePointer<Element> {
    baseAddress ?? nothing.assumingMemoryBound(to: Element.self)
  }
}

extension UnsafeMutableRawBufferPointer {
  @inlinable package var start: UnsafeMutableRawPointer { baseAddress ?? nothing }
}
