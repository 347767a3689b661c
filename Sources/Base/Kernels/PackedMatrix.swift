import CKernels
import Tensors

/// A weight matrix [rows, columns] in panels of sixteen rows, split over workers: a worker's panels lie together,
/// in memory of its own NUMA node.
package struct PackedMatrix: @unchecked Sendable {
  package let format: WeightFormat
  package let rows: Int
  package let columns: Int
  /// What its products take rows as.
  package let rowFormat: RowFormat
  /// Added to each output, `[rows]`; nil for none.
  package let bias: AlignedBuffer<Float>?
  /// Start of each worker's panels; nil where a worker has none.
  package let shards: [UnsafeMutableRawPointer?]
  /// `bounds[w]..<bounds[w + 1]` are worker w's panels.
  let bounds: [Int]

  package static let panelRows = Int(CK_PANEL)
  /// Panels of sixteen rows, the last one filled up.
  package static func panelCount(rows: Int) -> Int { (rows + panelRows - 1) / panelRows }

  /// The bounds `[workerCount + 1]` in panels of `rows` rows: even, in the workers' order. Matrices that follow each
  /// other should differ in `turn`, so that the panels left over go to other workers each time.
  package static func evenBounds(rows: Int, workerCount: Int, turn: Int = 0) -> [Int] {
    let count = panelCount(rows: rows)
    return (0...workerCount).map { (count * $0 + turn % workerCount) / workerCount }
  }

  /// The bounds `[workerCount + 1]` that give every panel of `rows` rows to one worker.
  package static func bounds(rows: Int, allOn worker: Int, workerCount: Int) -> [Int] {
    let count = panelCount(rows: rows)
    return (0...workerCount).map { $0 <= worker ? 0 : count }
  }

  /// W `[rows, columns]`, whose panels `bounds[i] ..< bounds[i + 1]` lie at `shards[i]`, and bias `[rows]`.
  package init(
    format: WeightFormat, rows: Int, columns: Int, rowFormat: RowFormat, bias: AlignedBuffer<Float>?, bounds: [Int],
    shards: [UnsafeMutableRawPointer?]
  ) {
    precondition(format.canMeet(rowFormat), "\(format) weights do not meet \(rowFormat) rows")
    (self.format, self.rowFormat, self.rows, self.columns) = (format, rowFormat, rows, columns)
    (self.bias, self.bounds, self.shards) = (bias, bounds, shards)
  }

  /// Rows whose outputs `worker` computes.
  package func rowRange(worker: Int) -> Range<Int> {
    let first = min(bounds[worker] * Self.panelRows, rows)
    return first..<max(first, min(bounds[worker + 1] * Self.panelRows, rows))
  }

  /// Rounds new values into the worker's panels: `values` writes a row, `[columns]`, where it is told. Nobody may
  /// multiply meanwhile. The format must be one that fp32 rows are rounded to.
  package func replace(worker: Int, _ values: (_ row: Int, _ target: UnsafeMutablePointer<Float>) -> Void) {
    let range = rowRange(worker: worker)
    guard !range.isEmpty, let panels = shards[worker] else { return }
    let staging = PanelStaging(format: format, columns: columns)
    let row = AlignedBuffer<Float>(count: columns)
    let panelBytes = format.panelByteCount(columns: columns)
    for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.panelRows) {
      let count = min(Self.panelRows, range.upperBound - first)
      for lane in 0..<count {
        values(first + lane, row.pointer)
        _ = staging.set(lane: lane, row.pointer)
      }
      staging.write(rowCount: count, to: panels + (first - range.lowerBound) / Self.panelRows * panelBytes)
    }
  }

  /// y[i, worker's rows] = x[i, :] · Wᵀ + bias for `count` input rows, taken in this matrix's row format. y is
  /// `[count, rows]`, `yStride` floats from row to row; its column 0 is the matrix's row 0.
  package func multiply(
    _ compute: Compute, worker: Int, x: Rows, count: Int, y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    multiply(compute, worker: worker, share: worker, x: x, count: count, y: y, yStride: yStride)
  }

  /// The same for all rows of the matrix, y `[count, rows]`, by `worker` alone.
  package func multiplyAll(
    _ compute: Compute, worker: Int, x: Rows, count: Int, y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    for share in shards.indices {
      multiply(compute, worker: worker, share: share, x: x, count: count, y: y, yStride: yStride)
    }
  }

  /// The same, y `[count, rows]`, for the worker's part of every `step`th panel, from panel `first` on.
  package func multiply(
    _ compute: Compute, worker: Int, everyPanel step: Int, from first: Int, x: Rows, count: Int,
    y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    guard count > 0, let start = shards[worker] else { return }
    let panelBytes = format.panelByteCount(columns: columns)
    for panel in bounds[worker]..<bounds[worker + 1] where panel % step == first {
      let row = panel * Self.panelRows
      multiply(
        compute, worker: worker, rows: row..<min(row + Self.panelRows, rows),
        panels: start + (panel - bounds[worker]) * panelBytes, x: x, count: count, y: y, yStride: yStride)
    }
  }

  private func multiply(
    _ compute: Compute, worker: Int, share: Int, x: Rows, count: Int, y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    let range = rowRange(worker: share)
    guard !range.isEmpty, count > 0, let panels = shards[share] else { return }
    multiply(compute, worker: worker, rows: range, panels: panels, x: x, count: count, y: y, yStride: yStride)
  }

  /// Of these rows, whose panels lie at `panels`.
  private func multiply(
    _ compute: Compute, worker: Int, rows range: Range<Int>, panels: UnsafeMutableRawPointer, x: Rows, count: Int,
    y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    let bias = bias.map { UnsafePointer($0.pointer + range.lowerBound) }
    let out = y + range.lowerBound
    let scratch = compute.matmulScratch(worker)
    switch rowFormat {
    case .float32:
      ck_matmul(
        compute.isa, format.code, panels, range.count, columns, x.values, x.valueStride, count, bias, out, yStride,
        scratch)
    case .bfloat16:
      ck_matmul_bf16(
        compute.isa, panels, range.count, columns, x.roundedStart, x.roundedStride, count, bias, out, yStride, scratch)
    case .int8:
      ck_matmul_int8(
        compute.isa, format.code, panels, range.count, columns, x.roundedStart, x.roundedStride, count, bias, out,
        yStride,
        scratch)
    }
  }

  /// Writes the fp32 expansion of row `row` to out, `[columns]`.
  package func expand(row: Int, into out: UnsafeMutablePointer<Float>) {
    let panel = row / Self.panelRows
    var worker = 0
    while bounds[worker + 1] <= panel { worker += 1 }
    guard let shard = shards[worker] else { preconditionFailure("row \(row) of \(rows)") }
    let start = shard + (panel - bounds[worker]) * format.panelByteCount(columns: columns)
    ck_expand_panel_row(format.code, start, columns, row % Self.panelRows, out)
  }
}
