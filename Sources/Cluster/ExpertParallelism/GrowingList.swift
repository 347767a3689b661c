import Tensors

/// Trivial elements one after another, for loops that take some nanoseconds an element: room is made before such a loop,
/// which then writes through a pointer.
final class GrowingList<Element: BitwiseCopyable> {
  private var memory = AlignedBuffer<Element>(count: 1)
  private(set) var count = 0

  /// Valid until room is made again.
  var elements: UnsafeMutablePointer<Element> { memory.pointer }

  func removeAll() { count = 0 }

  /// Lengthens the list by `added` elements, which the caller writes; returns the first of them.
  func extend(by added: Int) -> UnsafeMutablePointer<Element> {
    let start = count
    count += added
    if memory.count < count {
      let larger = AlignedBuffer<Element>(count: count + count / 2)
      larger.pointer.update(from: memory.pointer, count: start)
      memory = larger
    }
    return memory.pointer + start
  }

  /// Takes back the last elements.
  func truncate(to newCount: Int) { count = min(count, newCount) }
}
