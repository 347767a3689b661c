import Checkpoints
import JSON
import MoEModel
import Tensors

/// A model of which only the shape is given: settings, and tensors of the published layout that hold zeros, or in
/// tables the first experts for each token, until somebody puts values in their place. With it a new model is planned,
/// described and held in memory as a published one is.
package final class ShapeCheckpoint: Checkpoint {
  package let path: String
  package let config: JSONValue
  package var generationConfig: JSONValue? { nil }
  package let entries: [TensorEntry]
  private let places: [String: Int]

  /// `config` has the keys of `config.json`; what it says of quantised weights is left out: weights are of `type`.
  /// `path` is for messages. `predicts`: with a multi-token prediction module; `trains`: to be trained, and not only
  /// counted. Throws `ModelError` or `CheckpointError` for a shape that is none, or that cannot be trained.
  package init(
    _ config: JSONValue, path: String, type: ElementType = .bfloat16, predicts: Bool = false, trains: Bool = true
  ) throws {
    var members = config.object ?? JSONObject()
    CompositeModel.replaceQuantization(in: &members, with: nil)
    let plain = JSONValue.object(members)
    var description = try ModelConfiguration.read(try ConfigReader(plain, path: path))
    if predicts { description = description.predicting() }
    if trains { try description.requireBackwardPass() }
    let entries = try CheckpointPlan(description, type: type).tensors.map(\.entry)
    (self.path, self.config, self.entries) = (path, plain, entries)
    places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
  }

  package func document(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? { nil }
  package func tensor(_ name: String) -> TensorEntry? { places[name].map { entries[$0] } }
  package func position(of entry: TensorEntry) -> Int? { places[entry.name] }
  package func absence(of name: String) -> CheckpointError? { nil }
  package var fileCount: Int { 0 }
  package var identity: UInt64 { 0 }
  package var fingerprintParts: [(file: String, digest: [UInt8])] { [(path, SHA256.digest(Array(config.text().utf8)))] }
  package func prefetch(_ entry: TensorEntry, bytes range: Range<Int>) {}
  package var bytesRead: Int { 0 }
  package func checkUnchanged() throws(CheckpointError) {}
  package func copyCompanions(to output: OutputFolder) throws(CheckpointError) {}
  package func file(of entry: TensorEntry) -> String { path }

  package func read(
    _ entry: TensorEntry, bytes range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
    _ = bytes.initializeMemory(as: UInt8.self, repeating: 0)
    guard entry.type == .int64, let columns = entry.shape.last, columns > 0, range.lowerBound % 8 == 0 else { return }
    let first = range.lowerBound / 8
    for i in 0..<range.count / 8 {
      bytes.storeBytes(of: Int64((first + i) % columns), toByteOffset: 8 * i, as: Int64.self)
    }
  }
}
