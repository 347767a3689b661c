import Checkpoints
import JSON
import Telemetry
import Tensors

/// A routing record as a safetensors file, so that other programs read it too.
///
/// Tensors, all I32: `step`, `kind` (0 prefill, 1 decode), `sequence`, `position`, `home`, each `[rows]`, and `experts`
/// `[rows, layers, topK]`. Metadata: `format` "martinet-routing", `version` "1", `model`, `experts`, `layers` (their
/// numbers, separated by commas), `hidden_size`, `complete`.
package struct RoutingFile: Sendable {
  package var model: String
  package var hiddenSize: Int
  package var record: RoutingRecord

  package init(model: String, hiddenSize: Int, record: RoutingRecord) {
    (self.model, self.hiddenSize, self.record) = (model, hiddenSize, record)
  }

  private static let version = "1"

  package func write(to path: String) throws {
    let count = record.rows.count
    let columns: [(String, KeyPath<RoutingRecord.Row, Int32>)] = [
      ("step", \.step), ("kind", \.kind), ("sequence", \.sequence), ("position", \.position), ("home", \.home),
    ]
    let writer = try SafetensorsWriter(
      path: path,
      tensors: columns.map { .init($0.0, .int32, [count]) } + [
        .init("experts", .int32, [count, record.layers.count, record.topK])
      ],
      metadata: [
        ("format", "martinet-routing"), ("version", Self.version), ("model", model),
        ("experts", "\(record.expertCount)"),
        ("layers", record.layers.map(String.init).joined(separator: ",")), ("hidden_size", "\(hiddenSize)"),
        ("complete", "\(record.isComplete)"),
      ])
    for (name, column) in columns { try writer.append(name, record.rows.map { $0[keyPath: column] }) }
    try writer.append("experts", record.experts)
    try writer.finish()
  }

  /// Checks every number; throws `ProjectionError.malformedRouting`, or what the file's own format is at fault with.
  package init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    func malformed(_ reason: String) -> ProjectionError { .malformedRouting(path: path, reason: reason) }
    func text(_ key: String) throws -> String {
      guard let value = file.metadata[key]?.string else { throw malformed("its metadata has no \"\(key)\"") }
      return value
    }
    func number(_ key: String, _ limit: Int) throws -> Int {
      guard let value = Int(try text(key)), (1...limit).contains(value) else {
        throw malformed("\"\(key)\" is not between 1 and \(limit)")
      }
      return value
    }
    guard try text("format") == "martinet-routing", try text("version") == Self.version else {
      throw malformed("it is of another format or version")
    }
    model = try text("model")
    hiddenSize = try number("hidden_size", 1 << 20)
    let expertCount = try number("experts", 1 << 16)
    let layers = try text("layers").split(separator: ",").map { part in
      guard let layer = Int(part), (0..<(1 << 14)).contains(layer) else {
        throw malformed("\"layers\" is no list of layers")
      }
      return layer
    }
    func column(_ name: String) throws -> [Int32] {
      guard let entry = file.tensor(name) else { throw malformed("it has no tensor \"\(name)\"") }
      return try file.int32s(entry)
    }
    guard let shape = file.tensor("experts")?.shape, shape.count == 3, shape[0] > 0, shape[1] == layers.count,
      layers.count > 0,
      (1...expertCount).contains(shape[2])
    else { throw malformed("\"experts\" is not [rows, \(layers.count), choices], with a row at least") }
    record = RoutingRecord(layers: layers, expertCount: expertCount, topK: shape[2])
    let columns = try ["step", "kind", "sequence", "position", "home"].map(column)
    guard columns.allSatisfy({ $0.count == shape[0] }) else { throw malformed("its columns differ in length") }
    guard columns[1].allSatisfy({ StepKind(rawValue: Int($0)) != nil }) else {
      throw malformed("\"kind\" is neither 0 nor 1")
    }
    let experts = try column("experts")
    for choice in stride(from: 0, to: experts.count, by: shape[2]) {
      let choices = experts[choice..<(choice + shape[2])]
      guard choices.allSatisfy({ $0 >= 0 && Int($0) < expertCount }),
        zip(choices, choices.dropFirst()).allSatisfy({ $0 < $1 })
      else {
        throw malformed(
          "the choices of row \(choice / (shape[1] * shape[2])) are not distinct experts in ascending order")
      }
    }
    let rows = (0..<shape[0]).map {
      RoutingRecord.Row(
        step: columns[0][$0], kind: columns[1][$0], sequence: columns[2][$0], position: columns[3][$0],
        home: columns[4][$0])
    }
    record.append(rows, experts: experts)
    record.isComplete = try text("complete") == "true"
  }
}
