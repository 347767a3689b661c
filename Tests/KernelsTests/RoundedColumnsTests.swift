import Kernels
import Machine
import Tensors
import TestSupport
import Testing

/// Columns of rounded rows that lie apart from others.
struct RoundedColumnsTests {
  /// Rows put together from the columns of several have the bytes of rows rounded whole.
  @Test(arguments: RowFormat.allCases, [64, 100, 192, 333])
  func partsMakeUpTheWholeForm(format: RowFormat, columns: Int) throws {
    let (rows, compute) = (3, Compute(pool: try WorkerPool(workerCount: 2)))
    let storage = RowStorage<Float>(columns: columns)
    storage.reserve(rows: rows)
    let view = storage.view(rows: rows)
    var generator = SeededGenerator(UInt64(columns))
    for row in 0..<rows { for column in 0..<columns { view[row][column] = generator.float() * Float(row + 1) } }
    let whole = RowBuffer(format, columns: columns, rows: rows)
    compute.pool.run { whole.share(compute, worker: $0, view.start, stride: view.stride, count: rows) }
    let assembled = RowBuffer(format, columns: columns, rows: rows)
    let cuts = [0, min(64, columns), min(128, columns), columns]
    for range in zip(cuts, cuts.dropFirst()).map({ $0..<$1 }) {
      #expect(range.isEmpty || format == .float32 || whole.isApart(range))
      let own = RowBuffer(format, columns: columns, rows: rows)
      compute.pool.run { own.share(compute, worker: $0, view, columns: range) }
      var targets: [UnsafeMutableRawPointer] = []
      assembled.forEachPart(range) { start, _, _ in targets.append(start) }
      var part = 0
      own.forEachPart(range) { start, byteCount, stride in
        for row in 0..<rows {
          (targets[part] + row * stride).copyMemory(from: start + row * stride, byteCount: byteCount)
        }
        part += 1
      }
    }
    guard format != .float32 else { return }
    // Levels, scales and sums of levels of whole blocks; what follows them up to the next row is anything.
    let blocks = (columns + 63) / 64
    let byteCount = format == .int8 ? blocks * (64 + 4 + 4) : 2 * columns
    #expect(byteCount <= format.rowByteCount(columns: columns))
    for row in 0..<rows {
      let (found, expected) = (assembled.rows(of: view).form(of: row), whole.rows(of: view).form(of: row))
      let same = (0..<byteCount).allSatisfy {
        found.load(fromByteOffset: $0, as: UInt8.self) == expected.load(fromByteOffset: $0, as: UInt8.self)
      }
      #expect(same, "row \(row)")
    }
    #expect(!whole.isApart(1..<columns) && !whole.isApart(0..<min(63, columns - 1)))
  }
}
