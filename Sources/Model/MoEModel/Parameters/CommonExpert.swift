import Checkpoints

/// What all routed experts of a model are alike in, so that one can lie where another lay.
struct CommonExpert {
  struct Part {
    var source: MatrixSource
    var hasBias: Bool

    func isAlike(_ other: Part) -> Bool {
      let (a, b) = (source, other.source)
      return a.rows == b.rows && a.columns == b.columns && a.format == b.format && a.rowFormat == b.rowFormat
        && hasBias == other.hasBias
    }
  }

  var gate: Part
  var up: Part
  var down: Part

  var parts: [Part] { [gate, up, down] }
  var vectorBytes: Int { parts.reduce(0) { $0 + ($1.hasBias ? $1.source.rows * 4 : 0) } }

  func byteCount(worker: Int) -> Int { parts.reduce(0) { $0 + $1.source.byteCount(worker: worker) } }
}

extension StoredParameters {
  /// What is alike in all experts; nil in a dense model. Throws `inconsistent` where they differ in shape or format.
  func commonExpert() throws -> CommonExpert? {
    var parts: [ParameterRole.Projection: CommonExpert.Part] = [:]
    let biases = Set(table.filter(\.id.isBias).map(\.id))
    for spec in table where spec.isMatrix && spec.expert != nil {
      guard case .feedForward(.expert, let projection) = spec.role, case .matrices(let sources) = try find(spec),
        let source = sources.first
      else { continue }
      var bias = spec.id
      bias.isBias = true
      let part = CommonExpert.Part(source: source, hasBias: biases.contains(bias))
      if let known = parts[projection], !known.isAlike(part) {
        throw ModelError.inconsistent(
          """
          experts cannot change places: \(source.entry.name) is held as \(source.rows) × \(source.columns) numbers \
          of \(source.format), others as \(known.source.rows) × \(known.source.columns) of \(known.source.format); \
          give --weights for one format, or no --rebalance
          """
        )
      }
      parts[projection] = parts[projection] ?? part
    }
    guard let gate = parts[.gate], let up = parts[.up], let down = parts[.down] else { return nil }
    return CommonExpert(gate: gate, up: up, down: down)
  }
}
