import Fabric
import Tensors

/// One rank's own leaves, added up as far as their subtrees are wholly its own: what it sends in a `TreeReduction`.
///
/// Takes the leaves one after another, so that the memory is that of the parts and of a few open subtrees, however many
/// leaves there are. Buffers are kept for the next step (`clear`).
package final class LeafSums {
  package let tree: LeafTree
  package let rank: Rank
  /// Numbers of one leaf's value.
  package let count: Int
  /// target[i] += source[i], element by element.
  package typealias Adder = (
    _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ count: Int
  ) -> Void
  private let adder: Adder
  private let parts: [LeafTree.Part]
  /// The sum of each part that is whole, `[count]`.
  private(set) var sums: [AlignedBuffer<Float>] = []
  /// The next leaf, while a part of it is left.
  private var next: Int?
  /// Subtrees of the part under way from left to right, with the height at which each parts from the one before it.
  private var open: [(sum: AlignedBuffer<Float>, height: Int)] = []
  private var free: [AlignedBuffer<Float>] = []

  /// For values `[count]`. `adder` adds up what is whole.
  package init(_ tree: LeafTree, rank: Rank, count: Int, adder: @escaping Adder = LeafSums.add) {
    (self.tree, self.rank, self.count) = (tree, rank, max(0, count))
    self.adder = adder
    parts = tree.parts.filter { $0.owner == rank }
    next = parts.first?.leaves.lowerBound
  }

  /// Whether all own leaves have been added.
  package var isComplete: Bool { next == nil }
  /// The leaf to be added next; nil when all have been.
  package var nextLeaf: Int? { next }

  /// Adds the next own leaf: `fill` writes its value into the `count` zeros it is given. Throws `leafOutOfOrder` for
  /// any other leaf, and what `fill` throws; then nothing was added.
  package func add(_ leaf: Int, _ fill: (UnsafeMutableBufferPointer<Float>) throws -> Void) throws {
    guard leaf == next else { throw ReductionError.leafOutOfOrder(leaf, expected: next) }
    let value = free.popLast() ?? AlignedBuffer<Float>(count: count)
    value.buffer.update(repeating: 0)
    do { try fill(UnsafeMutableBufferPointer(start: value.pointer, count: count)) } catch {
      free.append(value)
      throw error
    }
    append(value, leaf)
  }

  /// The same for who can add a value to what is there: where a leaf follows the one that it is added to first, `fill`
  /// does so itself, and is told. Otherwise it writes all `count` numbers, which are not zeros. What it has done when
  /// it throws is lost.
  package func accumulate(
    _ leaf: Int, _ fill: (_ value: UnsafeMutableBufferPointer<Float>, _ adding: Bool) throws -> Void
  ) throws {
    guard leaf == next else { throw ReductionError.leafOutOfOrder(leaf, expected: next) }
    // The last open subtree is then that one leaf.
    if leaf != parts[sums.count].leaves.lowerBound, LeafTree.height(leaf - 1, leaf) == 1, let twin = open.last?.sum {
      try fill(UnsafeMutableBufferPointer(start: twin.pointer, count: count), true)
      return end(leaf)
    }
    let value = free.popLast() ?? AlignedBuffer<Float>(count: count)
    try fill(UnsafeMutableBufferPointer(start: value.pointer, count: count), false)
    append(value, leaf)
  }

  private func append(_ value: AlignedBuffer<Float>, _ leaf: Int) {
    let height = leaf == parts[sums.count].leaves.lowerBound ? Int.max : LeafTree.height(leaf - 1, leaf)
    close(below: height)
    open.append((value, height))
    end(leaf)
  }

  private func end(_ leaf: Int) {
    let part = parts[sums.count]
    next = leaf + 1
    guard leaf + 1 == part.leaves.upperBound else { return }
    close(below: .max)
    sums.append(open.removeLast().sum)
    next = sums.count < parts.count ? parts[sums.count].leaves.lowerBound : nil
  }

  /// Adds up the open subtrees that end before one that parts from them at `height`.
  private func close(below height: Int) {
    while open.count > 1, open[open.count - 1].height < height {
      let last = open.removeLast().sum
      adder(last.pointer, open[open.count - 1].sum.pointer, count)
      free.append(last)
    }
  }

  /// Forgets all leaves: the next step begins with the first.
  package func clear() {
    free += sums + open.map(\.sum)
    (sums, open) = ([], [])
    next = parts.first?.leaves.lowerBound
  }

  /// target += source, each `[count]`, element by element: work is divided along elements only, so that the compiler's
  /// vectors change no bit.
  package static func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
  }
}
