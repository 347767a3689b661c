/// What is to be done for the values of leaves to be added up (`LeafSums.take`).
///
/// Each action is one for every number alike: whoever carries all of them out in their order, for some of the numbers,
/// needs to wait for nobody who does it for others.
extension LeafSums {
  package enum Action: BitwiseCopyable {
    /// The value of a leaf, by its place among those taken: written over what is at `target`, or added to that once it
    /// is whole.
    case value(place: Int, target: UnsafeMutablePointer<Float>, adding: Bool)
    /// target += source.
    case add(source: UnsafeMutablePointer<Float>, target: UnsafeMutablePointer<Float>)
  }

  /// The same for values of which few rows are not zero.
  package struct RowActions {
    package enum Action: BitwiseCopyable {
      /// Some rows become zero.
      case clear(UnsafeMutablePointer<Float>)
      /// A leaf's rows are added to what are zeros there.
      case value(place: Int, target: UnsafeMutablePointer<Float>)
      /// target += source, in some rows.
      case add(source: UnsafeMutablePointer<Float>, target: UnsafeMutablePointer<Float>)
    }

    /// Columns of a row.
    package let width: Int
    private var actions: [(action: Action, rows: Range<Int>)] = []
    private var rows: [Int] = []

    init(width: Int) { self.width = width }

    mutating func append(_ action: Action) { actions.append((action, 0..<0)) }

    mutating func append(_ action: Action, rows touched: some Collection<Int>) {
      guard !touched.isEmpty else { return }
      let first = rows.count
      rows += touched
      actions.append((action, first..<rows.count))
    }

    /// Calls `body` with each action, in order, and the rows that it is about.
    package func forEach(_ body: (_ action: Action, _ rows: UnsafeBufferPointer<Int>) -> Void) {
      rows.withUnsafeBufferPointer { all in
        for (action, rows) in actions { body(action, UnsafeBufferPointer(rebasing: all[rows])) }
      }
    }
  }
}

/// Rows of a buffer that may be other than zero, each once.
final class TouchedRows {
  private(set) var rows: [Int] = []
  private var isTouched: [Bool]

  /// Of the whole buffer.
  var rowCount: Int { isTouched.count }

  init(rowCount: Int) { isTouched = Array(repeating: false, count: rowCount) }

  func insert(_ row: Int) {
    guard !isTouched[row] else { return }
    isTouched[row] = true
    rows.append(row)
  }

  func removeAll() {
    for row in rows { isTouched[row] = false }
    rows.removeAll(keepingCapacity: true)
  }
}
