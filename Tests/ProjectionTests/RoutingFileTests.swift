import Checkpoints
import Projection
import Telemetry
import Tensors
import TestSupport
import Testing

@Suite struct RoutingFileTests {
  private let folder = TemporaryFolder()
  private var path: String { folder.file("routing.safetensors") }

  private func record(rows: Int) -> RoutingRecord {
    var record = RoutingRecord(layers: [1, 2, 4], expertCount: 10, topK: 2)
    for row in (0..<rows).reversed() {
      let numbers = Int32(row)
      record.append(
        [.init(step: numbers / 4, kind: numbers % 2, sequence: numbers % 4, position: numbers, home: numbers % 3)],
        experts: (0..<3).flatMap { [(numbers + $0) % 9, 9] })
    }
    return record
  }

  @Test func aRecordReadsBackAsItWasWritten() throws {
    let written = RoutingFile(model: "m", hiddenSize: 64, record: record(rows: 37).sorted())
    try written.write(to: path)
    let read = try RoutingFile(path: path)
    #expect(read.record == written.record)
    #expect((read.model, read.hiddenSize) == ("m", 64))
  }

  @Test func sortingOrdersByStepSequenceAndPosition() {
    let sorted = record(rows: 37).sorted()
    let keys = sorted.rows.map { [$0.step, $0.sequence, $0.position] }
    #expect(keys == keys.sorted { $0.lexicographicallyPrecedes($1) })
    // Each row keeps its own choices.
    for (i, row) in sorted.rows.enumerated() {
      #expect(Array(sorted.choices(row: i, layer: 1)) == [(row.position + 1) % 9, 9])
    }
  }

  @Test(arguments: [
    "experts out of range", "descending choices", "an unknown kind", "a column too short", "other format",
  ]) func aDamagedRecordIsRefused(_ damage: String) throws {
    let kind: [Int32] = damage == "an unknown kind" ? [0, 7] : [0, 1]
    let experts: [Int32] =
      damage == "experts out of range" ? [0, 10, 1, 2] : damage == "descending choices" ? [3, 2, 1, 2] : [0, 1, 2, 3]
    let positions: [Int32] = damage == "a column too short" ? [0] : [0, 1]
    let columns: [(String, [Int32])] = [
      ("step", [0, 1]), ("kind", kind), ("sequence", [0, 0]), ("position", positions), ("home", [0, 0]),
    ]
    let writer = try SafetensorsWriter(
      path: path,
      tensors: columns.map { .init($0.0, .int32, [$0.1.count]) } + [.init("experts", .int32, [2, 1, 2])],
      metadata: [
        ("format", damage == "other format" ? "x" : "martinet-routing"), ("version", "1"), ("model", "m"),
        ("experts", "10"), ("layers", "3"), ("hidden_size", "8"), ("complete", "true"),
      ])
    for (name, values) in columns { try writer.append(name, values) }
    try writer.append("experts", experts)
    try writer.finish()
    #expect(throws: ProjectionError.self) { try RoutingFile(path: path) }
  }
}
