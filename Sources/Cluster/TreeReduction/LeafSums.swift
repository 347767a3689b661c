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
  /// How often leaves were forgotten.
  private(set) var step = 0
  /// Of buffers that are zero but for some rows, which these are (`takeRows`). Whoever writes a buffer's other rows
  /// takes it out (`fillsWhole`).
  private var touched: [ObjectIdentifier: TouchedRows] = [:]

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
    let value = buffer()
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
    if let twin = twin(of: leaf) {
      fillsWhole(twin)
      try fill(UnsafeMutableBufferPointer(start: twin.pointer, count: count), true)
      return end(leaf, add)
    }
    let value = buffer()
    try fill(UnsafeMutableBufferPointer(start: value.pointer, count: count), false)
    append(value, leaf)
  }

  /// The value of the leaf before, where the next one is added to it first: the last open subtree is then that leaf.
  private func twin(of leaf: Int) -> AlignedBuffer<Float>? {
    guard leaf != parts[sums.count].leaves.lowerBound, LeafTree.height(leaf - 1, leaf) == 1 else { return nil }
    return open.last?.sum
  }

  /// Memory for a value, whatever is in it.
  private func buffer() -> AlignedBuffer<Float> {
    guard let found = free.popLast() else { return AlignedBuffer(count: count) }
    fillsWhole(found)
    return found
  }

  /// From here on any number of a buffer may be other than zero.
  private func fillsWhole(_ buffer: AlignedBuffer<Float>) {
    if !touched.isEmpty { touched[ObjectIdentifier(buffer)] = nil }
  }

  private typealias Addition = (_ source: AlignedBuffer<Float>, _ target: AlignedBuffer<Float>) -> Void

  private func add(_ source: AlignedBuffer<Float>, _ target: AlignedBuffer<Float>) {
    fillsWhole(target)
    adder(source.pointer, target.pointer, count)
  }

  private func append(_ value: AlignedBuffer<Float>, _ leaf: Int) { append(value, leaf, add) }

  private func append(_ value: AlignedBuffer<Float>, _ leaf: Int, _ add: Addition) {
    let height = leaf == parts[sums.count].leaves.lowerBound ? Int.max : LeafTree.height(leaf - 1, leaf)
    close(below: height, add)
    open.append((value, height))
    end(leaf, add)
  }

  private func end(_ leaf: Int, _ add: Addition) {
    let part = parts[sums.count]
    next = leaf + 1
    guard leaf + 1 == part.leaves.upperBound else { return }
    close(below: .max, add)
    sums.append(open.removeLast().sum)
    next = sums.count < parts.count ? parts[sums.count].leaves.lowerBound : nil
  }

  /// Adds up the open subtrees that end before one that parts from them at `height`.
  private func close(below height: Int, _ add: Addition) {
    while open.count > 1, open[open.count - 1].height < height {
      let last = open.removeLast().sum
      add(last, open[open.count - 1].sum)
      free.append(last)
    }
  }

  /// Takes the next own leaves with these numbers, and says what is to be done for their values to be added up: that is
  /// done before anything else is asked of these sums. The bits are those of `accumulate`.
  package func take(_ leaves: [Int]) throws(ReductionError) -> [Action] {
    var actions: [Action] = []
    func add(_ source: AlignedBuffer<Float>, _ target: AlignedBuffer<Float>) {
      fillsWhole(target)
      actions.append(.add(source: source.pointer, target: target.pointer))
    }
    for (place, leaf) in leaves.enumerated() {
      guard leaf == next else { throw .leafOutOfOrder(leaf, expected: next) }
      if let twin = twin(of: leaf) {
        fillsWhole(twin)
        actions.append(.value(place: place, target: twin.pointer, adding: true))
        end(leaf, add)
      } else {
        let value = buffer()
        actions.append(.value(place: place, target: value.pointer, adding: false))
        append(value, leaf, add)
      }
    }
    return actions
  }

  /// The same of values of `width` columns that are zero but for some rows: `rows` tells which a leaf has, each once or
  /// more, by its place among `leaves`. A leaf's value is added to zeros, so that no number of it is −0, to which zeros
  /// could not be left out: the bits are those of `add`. Where it meets leaves of the step that were added whole, all
  /// rows are added.
  package func takeRows(
    _ leaves: [Int], width: Int, rows: (_ place: Int) -> [Int]
  ) throws(ReductionError) -> RowActions {
    var actions = RowActions(width: width)
    let rowCount = count / max(width, 1)
    func add(_ source: AlignedBuffer<Float>, _ target: AlignedBuffer<Float>) {
      let addition = RowActions.Action.add(source: source.pointer, target: target.pointer)
      guard let theirs = rowsTouched(source, of: rowCount), let own = rowsTouched(target, of: rowCount) else {
        fillsWhole(target)
        return actions.append(addition, rows: 0..<rowCount)
      }
      actions.append(addition, rows: theirs.rows)
      for row in theirs.rows { own.insert(row) }
    }
    for (place, leaf) in leaves.enumerated() {
      guard leaf == next else { throw .leafOutOfOrder(leaf, expected: next) }
      let value = free.popLast() ?? AlignedBuffer<Float>(count: count)
      let own = rowsTouched(value, of: rowCount) ?? zeros(value, rowCount: rowCount)
      actions.append(.clear(value.pointer), rows: own.rows)
      own.removeAll()
      for row in rows(place) { own.insert(row) }
      actions.append(.value(place: place, target: value.pointer))
      append(value, leaf, add)
    }
    return actions
  }

  /// The rows of a buffer that may be other than zero; nil where that may be any, or its rows were of another width.
  private func rowsTouched(_ buffer: AlignedBuffer<Float>, of rowCount: Int) -> TouchedRows? {
    touched[ObjectIdentifier(buffer)].flatMap { $0.rowCount == rowCount ? $0 : nil }
  }

  /// Makes a buffer zeros, of which no row is touched.
  private func zeros(_ buffer: AlignedBuffer<Float>, rowCount: Int) -> TouchedRows {
    buffer.buffer.update(repeating: 0)
    let none = TouchedRows(rowCount: rowCount)
    touched[ObjectIdentifier(buffer)] = none
    return none
  }

  /// Forgets all leaves: the next step begins with the first.
  package func clear() {
    free += sums + open.map(\.sum)
    (sums, open) = ([], [])
    step += 1
    next = parts.first?.leaves.lowerBound
  }

  /// target += source, each `[count]`, element by element: work is divided along elements only, so that the compiler's
  /// vectors change no bit.
  package static func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
  }
}
