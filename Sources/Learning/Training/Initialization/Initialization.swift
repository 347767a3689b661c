import MoEModel

/// The weights that a new model begins with: any element of any parameter, made by whoever needs it, the same on every
/// machine.
///
/// Matrices get normal numbers of mean 0; those whose products are added to the residual stream (attention's output,
/// every down-projection) spread 1/√(2 · layers) as far. Norms are 1, in numbers as they are stored: where a norm adds
/// 1 to its weight, that is 0. Biases, attention sinks and the router's selection bias are 0. Of gated DeltaNet,
/// convolutions get normal numbers, rates of decay are uniform between 0.01 and 16, of which the logarithm is stored,
/// and what is added to decays is 1, all as in the reference implementation. Hyper-connections multiply by 1 and add 0,
/// likewise, and a token that has its experts by a table has random ones, each as likely as the others. What a
/// multi-token prediction module shares with the model has the model's values.
package struct Initialization: Sendable {
  private let seed: UInt64
  private let spread: InitialSpread
  private let names: ParameterNames
  private let outputFactor: Double
  private let isTied: Bool
  private let moe: MoEDescription?

  /// Throws for a spread that is no positive finite number.
  package init(_ description: DecoderDescription, seed: UInt64, spread: InitialSpread) throws(TrainingError) {
    guard spread.factor.isFinite, spread.factor > 0 else {
      throw .badOption("the standard deviation of initial weights", "\(spread.factor)", "give a positive number")
    }
    self.seed = seed
    self.spread = spread
    names = ParameterNames(description)
    outputFactor = 1 / Double(2 * max(1, description.layerCount)).squareRoot()
    (isTied, moe) = (description.tiedEmbeddings, description.moe)
  }

  /// The standard deviation of a parameter's elements; nil for what is all alike.
  package func deviation(of spec: ParameterSpec) -> Double? {
    guard spec.isMatrix || spec.taps != nil, !spec.id.isBias else { return nil }
    let scale: Double =
      switch spread {
      case .constant(let deviation): deviation
      case .byWidth(let factor):
        spec.role.isEmbedding && !isTied ? factor : factor / Double(spec.taps ?? spec.columns).squareRoot()
      }
    return spec.role.endsInResidualStream ? scale * outputFactor : scale
  }

  /// Fills `buffer` with elements of a parameter from `first` on, counted row after row: fp32, as optimisers hold them.
  package func fill(_ buffer: UnsafeMutableBufferPointer<Float>, with spec: ParameterSpec, from first: Int) {
    let stream = RandomStream(seed: seed, purpose: "weights of \(names.name(of: shared(spec.id)))")
    guard let deviation = deviation(of: spec) else {
      switch spec.role {
      case .delta(.decayRate):
        for i in buffer.indices {
          buffer[i] = Float(FixedMath.logarithm(0.01 + 15.99 * stream.uniform(UInt64(first + i))))
        }
      case .tokenExperts: choose(buffer, from: first, stream)
      default: buffer.update(repeating: constant(of: spec))
      }
      return
    }
    var place = first / 4
    var i = 0
    var skipped = first % 4
    while i < buffer.count {
      let values = stream.normals(UInt64(place))
      for lane in skipped..<min(4, skipped + buffer.count - i) {
        buffer[i] = Float(values[lane] * deviation)
        i += 1
      }
      (place, skipped) = (place + 1, 0)
    }
  }

  /// Experts of tokens, `[tokens, topK]`: of each token as many random ones, none twice.
  private func choose(_ buffer: UnsafeMutableBufferPointer<Float>, from first: Int, _ stream: RandomStream) {
    guard let moe, !buffer.isEmpty else { return }
    let topK = moe.topK
    for token in (first / topK)...((first + buffer.count - 1) / topK) {
      var chosen: [Int] = []
      for place in 0..<topK {
        // Of those that are left, counted in ascending order.
        let left = moe.expertCount - place
        let number = Int(stream.uniform(UInt64(token * topK + place)) * Double(left))
        var expert = min(number, left - 1)
        for other in chosen.sorted() where expert >= other { expert += 1 }
        chosen.append(expert)
        let element = token * topK + place
        if element >= first, element < first + buffer.count { buffer[element - first] = Float(expert) }
      }
    }
  }

  /// What all elements of a parameter are.
  private func constant(of spec: ParameterSpec) -> Float {
    if spec.id.isBias { return 0 }
    switch spec.role {
    case .delta(.decayBias), .hyper(.scale, _): return 1
    default: return spec.role.isNorm ? 1 - spec.offset : 0
    }
  }

  /// All elements of a parameter.
  package func values(of spec: ParameterSpec) -> [Float] {
    [Float](unsafeUninitializedCapacity: spec.elementCount) { buffer, count in
      fill(UnsafeMutableBufferPointer(rebasing: buffer[..<spec.elementCount]), with: spec, from: 0)
      count = spec.elementCount
    }
  }

  /// Whose values a parameter has: of what several places share, one.
  private func shared(_ id: ParameterID) -> ParameterID {
    if id.role.isEmbedding || (id.role.isHead && isTied) { return ParameterID(.embedding) }
    return id.role.isHead ? ParameterID(.head) : id
  }
}

extension ParameterRole {
  /// Rows of it are looked up, never multiplied.
  var isEmbedding: Bool { self == .embedding || self == .prediction(.embedding) }
  var isHead: Bool { self == .head || self == .prediction(.head) }
  /// Its product is added to the residual stream.
  var endsInResidualStream: Bool {
    switch self {
    case .attentionOutput, .delta(.output), .feedForward(_, .down): true
    default: false
    }
  }
}
