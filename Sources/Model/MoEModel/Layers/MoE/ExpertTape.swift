import Tensors

/// What one rank's experts of one layer saw and made in a forward pass: visits sorted by expert, an expert's in order
/// of rank and row, so that sums over them are the same on any number of ranks. Valid until the layer's next forward
/// pass.
package final class ExpertTape {
  /// One expert's visits: places of the rows below.
  package struct Group {
    package let expert: Int
    package let places: Range<Int>
  }

  let order: ExpertOrder
  private let hiddenSize: Int
  private let inputRows: RowStorage<Float>
  private let gateRows: RowStorage<Float>
  private let upRows: RowStorage<Float>
  private let productRows: RowStorage<Float>
  /// Visits of the layer.
  package private(set) var count = 0
  private var weightList = AlignedBuffer<Float>(count: 1)

  init(_ moe: MoEDescription, hiddenSize: Int) {
    self.hiddenSize = hiddenSize
    order = ExpertOrder(expertCount: moe.expertCount, workerCount: 1, mayClaim: false)
    inputRows = RowStorage(columns: hiddenSize)
    gateRows = RowStorage(columns: moe.expertIntermediateSize)
    upRows = RowStorage(columns: moe.expertIntermediateSize)
    productRows = RowStorage(columns: moe.expertIntermediateSize)
  }

  /// Makes room for visits that `order` has sorted.
  func begin(_ visits: UnsafeBufferPointer<ExpertVisit>) {
    count = visits.count
    for rows in [inputRows, gateRows, upRows, productRows] { rows.reserve(rows: count) }
    if weightList.count < count { weightList = AlignedBuffer(count: count + count / 2) }
    for place in 0..<count { weightList.pointer[place] = visits[Int(order.visitAt.pointer[place])].weight }
  }

  /// Experts that were visited, ascending.
  package var groups: [Group] {
    order.groups.map { Group(expert: $0.expert, places: $0.first..<($0.first + $0.count)) }
  }

  /// The place of each visit, in the order in which the batch had them.
  package var placeOf: UnsafePointer<Int32> { UnsafePointer(order.placeOf.pointer) }
  /// The visit at each place.
  package var visitAt: UnsafePointer<Int32> { UnsafePointer(order.visitAt.pointer) }
  /// The factor on each output, by place.
  package var weights: UnsafePointer<Float> { UnsafePointer(weightList.pointer) }
  /// `[visits, hidden]`, by place.
  package var inputs: MatrixView<Float> { inputRows.view(rows: count) }
  /// What gate and up gave, and what came of them, `[visits, intermediate]`, by place.
  package var gate: MatrixView<Float> { gateRows.view(rows: count) }
  package var up: MatrixView<Float> { upRows.view(rows: count) }
  package var product: MatrixView<Float> { productRows.view(rows: count) }
}
