import Kernels
import Tensors

// What DeepSeek-V4 has beside other models.
extension WeightAssembly {
  func compressedAttention(_ layer: Int, _ shape: CompressedAttention) throws -> CompressedAttentionWeights {
    func matrix(_ role: ParameterRole) throws -> PackedMatrix { try self.matrix(ParameterID(role, layer: layer)) }
    func vector(_ role: ParameterRole) throws -> AlignedBuffer<Float> {
      try self.vector(ParameterID(role, layer: layer))
    }
    func pool(_ role: (ParameterRole.PoolPart) -> ParameterRole) throws -> CompressedAttentionWeights.Pool {
      CompressedAttentionWeights.Pool(
        value: try matrix(role(.value)), gate: try matrix(role(.gate)), gateBias: try vector(role(.gateBias)),
        norm: try vector(role(.norm)))
    }
    let outputDown = ParameterID(.outputDown, layer: layer)
    return CompressedAttentionWeights(
      queryDown: try matrix(.queryDown), queryNorm: try vector(.queryLatentNorm), queryUp: try matrix(.queryUp),
      key: try matrix(.keyValueDown), keyNorm: try vector(.keyValueLatentNorm), sinks: try vector(.sinks),
      outputDown: try required(held.parts(outputDown), outputDown), output: try matrix(.attentionOutput),
      pool: try shape.ratio == nil ? nil : pool { .pool($0) },
      index: shape.indexer == nil
        ? nil
        : CompressedAttentionWeights.Index(
          pool: try pool { .indexPool($0) }, query: try matrix(.indexQuery), headWeights: try matrix(.indexWeights)))
  }

  /// Nil where the residual stream is plain.
  func connection(_ place: ParameterRole.HyperPlace, _ layer: Int?) throws -> HyperConnectionWeights? {
    guard case .hyper = description.residual else { return nil }
    func id(_ part: ParameterRole.HyperPart) -> ParameterID { ParameterID(.hyper(part, of: place), layer: layer) }
    return HyperConnectionWeights(
      function: try matrix(id(.function)), base: try vector(id(.base)), scale: try vector(id(.scale)))
  }

  /// The table of a layer that routes by token, each token's experts in ascending order; nil for other layers. Throws
  /// for numbers that no expert has, and for a token that goes to one expert twice.
  func tokenExperts(_ layer: Int, _ moe: MoEDescription) throws -> AlignedBuffer<Int32>? {
    guard description.runLayers[layer].routesByToken else { return nil }
    let id = ParameterID(.tokenExperts, layer: layer)
    let stored = try vector(id)
    let format = TokenExpertTable(moe, tensor: description.names.tensor(id))
    try format.check(UnsafeBufferPointer(stored.buffer))
    let table = AlignedBuffer<Int32>(count: stored.count)
    format.write(stored.pointer, into: table)
    return table
  }
}
