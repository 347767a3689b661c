import Checkpoints
import Tensors

extension ModelConfiguration {
  /// Reads a checkpoint's configuration and holds its tensors against it.
  ///
  /// What the tensors alone tell is taken from them: whether experts are stored apart or fused, and whether a tied
  /// model has a head of its own after all. Layers past the last must be multi-token prediction modules, which are
  /// counted and left out; any other would mean that `num_hidden_layers` belongs to another checkpoint. A tensor inside
  /// a layer that nobody reads is an error, one outside is listed in `unreadTensors`. Throws `ModelError` or
  /// `CheckpointError`.
  package static func read(_ checkpoint: any Checkpoint) throws -> DecoderDescription {
    do { return try describe(checkpoint) } catch let error as ModelError where checkpoint.holdsItsSettings {
      throw ModelError.inFile(checkpoint.path, error)
    }
  }

  private static func describe(_ checkpoint: any Checkpoint) throws -> DecoderDescription {
    var description = try read(try checkpoint.settings())
    description.names = names(of: description, in: checkpoint).fittingModules(of: description, in: checkpoint)
    description.takeDeltaForm(of: checkpoint)
    // A copy of the embedding is no head of its own: it would only take memory.
    let head = description.names.tensor(ParameterID(.head))
    if description.tiedEmbeddings, let head = checkpoint.tensor(head) {
      let embedding = checkpoint.tensor(description.names.tensor(ParameterID(.embedding)))
      description.tiedEmbeddings = try embedding.map { try checkpoint.haveSameBytes(head, $0) } ?? false
    }
    description.storesIntegers = checkpoint.entries.contains { $0.type.isBlocked }
    let use: TensorUse
    do { use = try TensorUse(description, checkpoint: checkpoint) } catch let error as ModelError {
      throw explained(error, description, in: checkpoint)
    }
    let names = description.names
    let extra = Set(checkpoint.names.compactMap(names.layer(ofTensor:))).filter {
      $0 >= description.layerCount
    }
    for layer in extra.sorted()
    where !checkpoint.holds(description.names.tensor(ParameterID(.prediction(.projection), layer: layer))) {
      throw ModelError.inconsistent(
        """
        num_hidden_layers = \(description.layerCount), but the checkpoint holds layer \(layer), which is no \
        multi-token prediction module; the files do not belong together
        """
      )
    }
    description.predictionLayerCount = extra.count
    (description.roundedForms, description.roundedBesideIntegers) = (use.roundedForms, use.roundedBesideIntegers)
    if use.findsIntegers { description.storesIntegers = true }
    let (other, unread) = use.unread(in: checkpoint).split(by: { description.composite?.otherPart($0.name) != nil })
    for entry in other {
      if let part = description.composite?.otherPart(entry.name) { description.otherPartCounts[part, default: 0] += 1 }
    }
    let outer = Set(unread.compactMap { PublishedNames.outerPredictionLayer($0.name) })
    // Of modules of other kinds under such names nothing is known.
    let blocks = description.blockDraftingLayers(among: outer, in: checkpoint)
    if blocks == 0 { description.blockDrafting = nil }
    let known = blocks > 0 ? blocks : outer.count { names.isModule($0, in: checkpoint) }
    description.predictionLayerCount += known
    description.outerPredictionLayerCount = outer.count - known
    let inside = unread.filter { names.layer(ofTensor: $0.name).map { !extra.contains($0) } ?? false }
    guard inside.isEmpty else {
      if let packing = ForeignPacking.find(in: checkpoint, names: description.names) { throw packing.error }
      throw ModelError.unreadTensors(inside.map(\.name))
    }
    description.unreadTensors = unread.map(\.name).filter {
      names.layer(ofTensor: $0) == nil && !PublishedNames.isOuterPrediction($0)
        && !(description.tiedEmbeddings && $0 == head)
    }
    return description
  }

  /// The names a checkpoint goes by, where its family has several.
  private static func names(of description: DecoderDescription, in checkpoint: any Checkpoint) -> PublishedNames {
    let names = spelling(of: description, in: checkpoint)
    guard let layer = description.moeLayers.first else { return names }
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

  /// The spelling and the prefix that a checkpoint's names have: those of which it holds what tells spellings apart, or
  /// at least the embedding.
  private static func spelling(of description: DecoderDescription, in checkpoint: any Checkpoint) -> PublishedNames {
    let published = description.names
    let prefixes = (description.composite?.prefixes ?? []) + [.standard, .none]
    let spellings = published.spellings.isEmpty ? [published] : published.spellings.map { published.spelled($0) }
    let candidates = spellings.flatMap { spelling in
      prefixes.map { prefix in
        var names = spelling
        names.prefix = prefix
        return names
      }
    }
    let embedding = ParameterID(.embedding)
    // What is stored under its own name in every packing.
    var telling = [embedding]
    if let moe = description.moe, let layer = description.moeLayers.first {
      telling.append(ParameterID(.router, layer: layer))
      if moe.router.hasSelectionBias, !description.runLayers[layer].routesByToken {
        telling.append(ParameterID(.selectionBias, layer: layer))
      }
    }
    return candidates.first { names in telling.allSatisfy { checkpoint.holds(names.tensor($0)) } }
      ?? candidates.first { checkpoint.holds($0.tensor(embedding)) } ?? candidates[0]
  }

  /// What a missing or odd tensor is a sign of, where the checkpoint tells.
  private static func explained(
    _ error: ModelError, _ description: DecoderDescription, in checkpoint: any Checkpoint
  ) -> any Error {
    if case .missingTensor(let name) = error, let absence = checkpoint.absence(of: name) { return absence }
    switch description.quantization {
    case .integers, .nvfp4, .mxfp4Experts: return error
    default: break
    }
    switch error {
    case .missingTensor, .wrongShape, .wrongType:
      return ForeignPacking.find(in: checkpoint, names: description.names)?.error ?? error
    default: return error
    }
  }
}

extension Sequence {
  /// The elements for which `condition` holds, and the others, both in order.
  fileprivate func split(by condition: (Element) -> Bool) -> (matching: [Element], others: [Element]) {
    reduce(into: ([], [])) { if condition($1) { $0.0.append($1) } else { $0.1.append($1) } }
  }
}
