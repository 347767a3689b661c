/// Trivial elements one after another, for loops that take some nanoseconds an element: room is made before such a
/// loop, which then writes through a pointer.
package final class GrowingList<Element: BitwiseCopyable> {
  @exclusivity(unchecked) @usableFromInline var memory = AlignedBuffer<Element>(count: 1)
  @exclusivity(unchecked) @usableFromInline var length = 0

  package init() {}

  @inlinable package var count: Int { length }

  /// Valid until room is made again.
  @inlinable package var elements: UnsafeMutablePointer<Element> { memory.pointer }

  @inlinable package func removeAll() { length = 0 }

  /// Lengthens the list by `added` elements, which the caller writes; returns the first of them.
  @inlinable package func extend(by added: Int) -> UnsafeMutablePointer<Element> {
    let start = length
    length += added
    if memory.count < length { grow(from: start) }
    return memory.pointer + start
  }

  @usableFromInline func grow(from start: Int) {
    let larger = AlignedBuffer<Element>(count: length + length / 2)
    larger.pointer.update(from: memory.pointer, count: start)
    memory = larger
  }

  /// Adds one element.
  @inlinable package func append(_ element: Element) { extend(by: 1).pointee = element }

  /// Takes back the last elements.
  @inlinable package func truncate(to newCount: Int) { length = min(length, newCount) }
}
