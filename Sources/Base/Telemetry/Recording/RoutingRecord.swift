/// Which experts the tokens of a run chose: enough to replay its dispatch on any number of ranks, without weights.
package struct RoutingRecord: Sendable, Equatable {
  /// One token fed in one step.
  package struct Row: Sendable, Equatable {
    package var step: Int32
    /// A `StepKind`.
    package var kind: Int32
    package var sequence: Int32
    package var position: Int32
    /// The rank that held the sequence when it was recorded.
    package var home: Int32

    package init(step: Int32, kind: Int32, sequence: Int32, position: Int32, home: Int32) {
      (self.step, self.kind, self.sequence, self.position, self.home) = (step, kind, sequence, position, home)
    }

    /// By step, then by sequence and position: an order that no number of ranks changes.
    static func precedes(_ a: Row, _ b: Row) -> Bool {
      (a.step, a.sequence, a.position) < (b.step, b.sequence, b.position)
    }
  }

  /// Numbers of one row as it travels.
  package static let rowWidth = 5

  /// The model layers that have experts.
  package let layers: [Int]
  package let expertCount: Int
  package let topK: Int
  package private(set) var rows: [Row] = []
  /// `[row][layer][choice]`, ascending in each choice.
  package private(set) var experts: [Int32] = []
  /// False when there was no more room.
  package var isComplete = true

  package init(layers: [Int], expertCount: Int, topK: Int) {
    (self.layers, self.expertCount, self.topK) = (layers, expertCount, topK)
  }

  /// Experts of one row, over all layers.
  package var choicesPerRow: Int { layers.count * topK }

  package mutating func clear() {
    rows.removeAll(keepingCapacity: true)
    experts.removeAll(keepingCapacity: true)
    isComplete = true
  }

  /// Adds rows and as many times `choicesPerRow` experts.
  package mutating func append(_ more: [Row], experts choices: [Int32]) {
    precondition(choices.count == more.count * choicesPerRow)
    rows.append(contentsOf: more)
    experts.append(contentsOf: choices)
  }

  /// The experts of one row in one of `layers`, by its place there.
  package func choices(row: Int, layer: Int) -> ArraySlice<Int32> {
    let start = row * choicesPerRow + layer * topK
    return experts[start..<(start + topK)]
  }

  /// The same rows in the order of steps, sequences and positions.
  package func sorted() -> RoutingRecord {
    var result = RoutingRecord(layers: layers, expertCount: expertCount, topK: topK)
    result.isComplete = isComplete
    for row in rows.indices.sorted(by: { Row.precedes(rows[$0], rows[$1]) }) {
      result.rows.append(rows[row])
      result.experts.append(contentsOf: experts[(row * choicesPerRow)..<((row + 1) * choicesPerRow)])
    }
    return result
  }
}
