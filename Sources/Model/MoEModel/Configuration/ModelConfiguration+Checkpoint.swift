import Checkpoints

extension ModelConfiguration {
  /// Reads a checkpoint's configuration and holds its tensors against it.
  ///
  /// What the tensors alone tell is taken from them: whether experts are stored apart or fused, and whether a tied
  /// model has a head of its own after all. Layers past the last must be multi-token prediction modules, which are
  /// counted and left out; any other would mean that `num_hidden_layers` belongs to another checkpoint. A tensor inside
  /// a layer that nobody reads is an error, one outside is listed in `unreadTensors`. Throws `ModelError` or
  /// `CheckpointError`.
  package static func read(_ checkpoint: any Checkpoint) throws -> DecoderDescription {
    var description = try read(try checkpoint.settings())
    description.names = names(of: description, in: checkpoint)
    // A copy of the embedding is no head of its own: it would only take memory.
    let head = description.names.tensor(ParameterID(.head))
    if description.tiedEmbeddings, let head = checkpoint.tensor(head) {
      let embedding = checkpoint.tensor(description.names.tensor(ParameterID(.embedding)))
      description.tiedEmbeddings = try embedding.map { try checkpoint.haveSameBytes(head, $0) } ?? false
    }
    let use: TensorUse
    do { use = try TensorUse(description, checkpoint: checkpoint) } catch let error as ModelError {
      throw explained(error, in: checkpoint)
    }
    let extra = Set(checkpoint.names.compactMap(PublishedNames.layer(ofTensor:))).filter {
      $0 >= description.layerCount
    }
    for layer in extra.sorted()
    where !checkpoint.holds(description.names.tensor(ParameterID(.prediction(.projection), layer: layer))) {
      throw ModelError.inconsistent(
        "num_hidden_layers = \(description.layerCount), but the checkpoint holds layer \(layer), which is no multi-token prediction module; the files do not belong together"
      )
    }
    description.predictionLayerCount = extra.count
    let unread = use.unread(in: checkpoint)
    let inside = unread.filter { PublishedNames.layer(ofTensor: $0.name).map { !extra.contains($0) } ?? false }
    guard inside.isEmpty else {
      if let packing = ForeignPacking.find(in: checkpoint) { throw packing.error }
      throw ModelError.unreadTensors(inside.map(\.name))
    }
    description.unreadTensors = unread.map(\.name).filter {
      PublishedNames.layer(ofTensor: $0) == nil && !(description.tiedEmbeddings && $0 == head)
    }
    return description
  }

  /// The names a checkpoint goes by, where its family has several.
  private static func names(of description: DecoderDescription, in checkpoint: any Checkpoint) -> PublishedNames {
    var names = description.names
    var unprefixed = names
    unprefixed.lacksPrefix = true
    let embedding = ParameterID(.embedding)
    if !checkpoint.holds(names.tensor(embedding)), checkpoint.holds(unprefixed.tensor(embedding)) { names = unprefixed }
    guard let layer = description.mixtureLayers.first else { return names }
    if names.experts == .interleaved {
      let apart = names.with(experts: .separate)
      let gate = ParameterID(.feedForward(.expert, .gate), layer: layer, expert: 0)
      return checkpoint.holds(apart.tensor(gate)) ? apart : names
    }
    guard names.experts == .separate else { return names }
    // Mixtral's blocks are called as others' where its experts are fused.
    for block in [nil, "mlp"] {
      let fused = names.with(experts: .fused, block: block)
      if checkpoint.holds(fused.tensor(ParameterID(.feedForward(.expert, .gate), layer: layer))) { return fused }
    }
    return names
  }

  /// What a missing or odd tensor is a sign of, where the checkpoint tells.
  private static func explained(_ error: ModelError, in checkpoint: any Checkpoint) -> any Error {
    if case .missingTensor(let name) = error, let absence = checkpoint.absence(of: name) { return absence }
    switch error {
    case .missingTensor, .wrongShape, .wrongType: return ForeignPacking.find(in: checkpoint)?.error ?? error
    default: return error
    }
  }
}
