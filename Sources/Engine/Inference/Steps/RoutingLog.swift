import Bytes
import Fabric
import MoEModel
import Telemetry

/// Keeps what this rank's tokens chose over many steps, and brings it to rank 0. Drafts that were wrong are none of
/// them.
struct RoutingLog {
  /// Beyond this, rows are no longer kept: half of what may travel to rank 0 at once.
  private static let byteLimit = 1 << 29

  private(set) var record: RoutingRecord

  init(_ description: DecoderDescription) {
    // A prediction module is not the model's.
    record = RoutingRecord(
      layers: description.moeLayers.filter { $0 < description.layerCount },
      expertCount: description.moe?.expertCount ?? 0,
      topK: description.moe?.topK ?? 0)
  }

  mutating func clear() { record.clear() }

  /// Adds a step of these items, whose decisions `routing` has: of item i the first `counts[i]` rows, since no text has
  /// what follows, drafts that were wrong.
  mutating func add(_ items: [StepPlan.Item], counts: [Int], kind: StepKind, step: Int, routing: RoutingTrace) {
    var rows: [RoutingRecord.Row] = []
    var (places, first) = ([Int](), 0)
    for (item, count) in zip(items, counts) {
      for i in 0..<count {
        rows.append(
          .init(
            step: Int32(truncatingIfNeeded: step), kind: Int32(kind.rawValue), sequence: item.id.value,
            position: Int32(truncatingIfNeeded: item.start + i), home: Int32(item.home.index)))
        places.append(first + i)
      }
      first += item.count
    }
    guard !rows.isEmpty else { return }
    guard (record.experts.count + rows.count * record.choicesPerRow) * 4 <= Self.byteLimit else {
      record.isComplete = false
      return
    }
    let choices = routing.byRow(places)
    guard choices.count == rows.count * record.choicesPerRow else { return }
    record.append(rows, experts: choices)
  }

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt8(record.isComplete ? 1 : 0))
    writer.write(record.rows.flatMap { [$0.step, $0.kind, $0.sequence, $0.position, $0.home] })
    writer.write(record.experts)
    return writer.bytes
  }

  /// Adds what another rank kept; throws on a message that cannot be one.
  mutating func add(_ bytes: [UInt8]) throws(TruncatedMessage) {
    var reader = ByteReader(bytes)
    let complete = try reader.read(UInt8.self) != 0
    let numbers = try reader.readInts()
    let experts = try reader.readInts()
    let count = numbers.count / RoutingRecord.rowWidth
    guard reader.isAtEnd, numbers.count % RoutingRecord.rowWidth == 0, experts.count == count * record.choicesPerRow,
      experts.allSatisfy({ $0 >= 0 && Int($0) < record.expertCount })
    else { throw TruncatedMessage() }
    let rows = (0..<count).map { i in
      let start = i * RoutingRecord.rowWidth
      return RoutingRecord.Row(
        step: numbers[start], kind: numbers[start + 1], sequence: numbers[start + 2], position: numbers[start + 3],
        home: numbers[start + 4])
    }
    record.append(rows, experts: experts)
    record.isComplete = record.isComplete && complete
  }
}
