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
  private let parts: [LeafTree.Part]
  /// The sum of each part that is whole, `[count]`.
  private(set) var sums: [AlignedBuffer<Float>] = []
  /// The next leaf, while a part of it is left.
  private var next: Int?
  /// Subtrees of the part under way from left to right, with the height at which each parts from the one before it.
  private var open: [(sum: AlignedBuffer<Float>, height: Int)] = []
  private var free: [AlignedBuffer<Float>] = []

  package init(_ tree: LeafTree, rank: Rank, count: Int) {
    (self.tree, self.rank, self.count) = (tree, rank, max(0, count))
    parts = tree.parts.filter { $0.owner == rank }
    next = parts.first?.leaves.lowerBound
  }

  /// Whether all own leaves have been added.
  package var isComplete: Bool { next == nil }
  /// The leaf to be added next; nil when all have been.
  package var nextLeaf: Int? { next }

  /// Adds the next own leaf: `fill` writes its value into the `count` zeros it is given. Throws `leafOutOfOrder` for any other
  /// leaf, and what `fill` throws; then nothing was added.
  package func add(_ leaf: Int, _ fill: (UnsafeMutableBufferPointer<Float>) throws -> Void) throws {
    guard leaf == next else { throw ReductionError.leafOutOfOrder(leaf, expected: next) }
    let value = free.popLast() ?? AlignedBuffer<Float>(count: count)
    value.buffer.update(repeating: 0)
    do { try fill(UnsafeMutableBufferPointer(start: value.pointer, count: count)) } catch {
      free.append(value)
      throw error
    }
    let part = parts[sums.count]
    let height = leaf == part.leaves.lowerBound ? Int.max : LeafTree.height(leaf - 1, leaf)
    close(below: height)
    open.append((value, height))
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
      LeafSums.add(last.pointer, to: open[open.count - 1].sum.pointer, count: count)
      free.append(last)
    }
  }

  /// Forgets all leaves: the next step begins with the first.
  package func clear() {
    free += sums + open.map(\.sum)
    (sums, open) = ([], [])
    next = parts.first?.leaves.lowerBound
  }

  /// Element by element: work is divided along elements only, so that the compiler's vectors change no bit.
  static func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
  }
}
