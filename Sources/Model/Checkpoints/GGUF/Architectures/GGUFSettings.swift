import JSON

/// The settings of one architecture in a file's metadata (`{architecture}.…`), and the tensors there are: what a
/// `config.json` is made of.
///
/// Notes what was asked for: the rest goes into the configuration under its own name, so that whoever reads that can
/// tell what was made no use of.
final class GGUFSettings {
  let metadata: GGUFMetadata
  let architecture: String
  private let tensors: [ExactString: GGUFTensor]
  /// The values of `rope_freqs.weight`, where there is one.
  let frequencies: [Float]?
  private var asked: Set<ExactString> = []

  init(
    _ metadata: GGUFMetadata, architecture: String, tensors: some Sequence<GGUFTensor>, frequencies: [Float]? = nil
  ) {
    (self.frequencies, self.metadata, self.architecture) = (frequencies, metadata, architecture)
    self.tensors = Dictionary(tensors.map { (ExactString($0.name), $0) }) { first, _ in first }
  }

  private func name(_ key: String) -> String {
    let name = "\(architecture).\(key)"
    asked.insert(ExactString(name))
    return name
  }

  // MARK: Settings

  /// An integer, or one for each layer where all are the same.
  func optionalInt(_ key: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int? {
    let name = name(key)
    guard case .array = metadata[name] else { return try metadata.int(name, in: range) }
    var found: Int?
    for value in try metadata.scalars(name) ?? [] {
      guard case .integer(let int) = value else { throw metadata.wrongType(name, value, "an integer") }
      guard range.contains(int) else { throw metadata.outOfRange(name, int, range) }
      guard found == nil || found == int else { throw metadata.problem(.differsByLayer(key: name)) }
      found = int
    }
    return found
  }

  func int(_ key: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int {
    guard let value = try optionalInt(key, in: range) else {
      throw metadata.problem(.missing(key: "\(architecture).\(key)"))
    }
    return value
  }

  func optionalNumber(_ key: String) throws(CheckpointError) -> JSONNumber? {
    try metadata.number(name(key), in: -1e30...1e30)
  }

  func number(_ key: String) throws(CheckpointError) -> JSONNumber {
    guard let value = try optionalNumber(key) else { throw metadata.problem(.missing(key: "\(architecture).\(key)")) }
    return value
  }

  func optionalBool(_ key: String) throws(CheckpointError) -> Bool? { try metadata.bool(name(key)) }
  func optionalString(_ key: String) throws(CheckpointError) -> String? { try metadata.string(name(key)) }
  func scalars(_ key: String) throws(CheckpointError) -> [GGUFValue]? { try metadata.scalars(name(key)) }

  /// Counts settings as asked for that follow from others or change no result.
  func ignore(_ keys: String...) { for key in keys { _ = name(key) } }

  /// The settings that nobody asked for, as they are.
  var unasked: [(String, JSONValue)] {
    metadata.keys.filter { DottedName($0).begins(with: architecture) && !asked.contains(ExactString($0)) }.map { key in
      let value: JSONValue
      switch metadata[key] {
      case .integer(let int)?: value = .int(int)
      case .unsigned(let int)?: value = .number(JSONNumber(text: "\(int)"))
      case .float32(let float)?: value = .float(float)
      case .float64(let double)?: value = .double(double)
      case .bool(let bool)?: value = .bool(bool)
      case .array(let array)?: value = .string("\(array.count) values")
      case .string?, nil: value = (try? metadata.string(key)).flatMap { $0 }.map { .string($0) } ?? .null
      }
      return (key, value)
    }
  }

  // MARK: Tensors

  func tensor(_ name: String) -> GGUFTensor? { tensors[ExactString(name)] }
  func holds(_ name: String) -> Bool { tensor(name) != nil }
  /// Whether the first layer has it.
  func layersHold(_ rest: String) -> Bool { holds("blk.0.\(rest)") }

  /// Rows of the first layer's matrix of one of these names.
  func rows(_ rests: String...) throws(CheckpointError) -> Int {
    for rest in rests { if let tensor = tensor("blk.0.\(rest)") { return tensor.shape[0] } }
    throw metadata.problem(.missing(key: "blk.0.\(rests[0])"))
  }

  /// The parts of equal size that some rows or columns, of which there are `total`, fall into, one for each head.
  func perHead(_ total: Int, heads: Int, of tensor: String) throws(CheckpointError) -> Int {
    guard total % heads == 0 else {
      throw metadata.problem(
        .shape(tensor: "blk.0.\(tensor)", found: [total], expected: "a multiple of \(heads) heads"))
    }
    return total / heads
  }
}
