import Checkpoints

extension ModelConfiguration {
  /// Reads a folder's configuration and holds the checkpoint's tensors against it.
  ///
  /// What the tensors alone tell is taken from them: whether experts are stored apart or fused, and whether a tied
  /// model has a head of its own after all. Layers past the last must be multi-token prediction modules, which are
  /// counted and left out; any other would mean that `num_hidden_layers` belongs to another checkpoint. A tensor inside
  /// a layer that nobody reads is an error, one outside is listed in `unreadTensors`. Throws `ModelError` or
  /// `CheckpointError`.
  package static func read(_ folder: CheckpointFolder) throws -> DecoderDescription {
    var description = try read(try folder.settings())
    description.naming = naming(of: description, in: folder)
    // A copy of the embedding is no head of its own: it would only take memory.
    if description.tiedEmbeddings, let head = folder.tensor(TensorNaming.head) {
      let embedding = try catalog(folder, description.naming).tensor(TensorNaming.embedding, expectedShape: head.shape)
      description.tiedEmbeddings = try embedding.map { try folder.haveSameBytes(head, $0) } ?? false
    }
    let use: TensorUse
    do { use = try TensorUse(description, folder: folder) } catch let error as ModelError {
      throw explained(error, in: folder)
    }
    let extra = Set(folder.names.compactMap(layerIndex)).filter { $0 >= description.layerCount }
    let catalog = catalog(folder, description.naming)
    for layer in extra.sorted() where !catalog.holds("\(TensorNaming.layer(layer)).eh_proj.weight") {
      throw ModelError.inconsistent(
        "num_hidden_layers = \(description.layerCount), but the checkpoint holds layer \(layer), which is no multi-token prediction module; the files do not belong together"
      )
    }
    description.predictionLayerCount = extra.count
    let unread = use.unread(in: folder)
    let inside = unread.filter { layerIndex($0.name) != nil }.filter { !extra.contains(layerIndex($0.name)!) }
    guard inside.isEmpty else {
      if let packing = ForeignPacking.find(in: folder) { throw packing.error }
      throw ModelError.unreadTensors(inside.map(\.name))
    }
    description.unreadTensors = unread.map(\.name).filter {
      layerIndex($0) == nil && !(description.tiedEmbeddings && $0 == TensorNaming.head)
    }
    return description
  }

  /// The names a checkpoint goes by, where its family has several.
  private static func naming(of description: DecoderDescription, in folder: CheckpointFolder) -> TensorNaming {
    var naming = description.naming
    naming.lacksPrefix =
      !folder.holds(TensorNaming.embedding) && UnprefixedCatalog(base: folder).holds(TensorNaming.embedding)
    let folder = catalog(folder, naming)
    guard case .separate = naming.experts, let layer = description.mixtureLayers.first else { return naming }
    // Mixtral's blocks are called as others' where its experts are fused.
    for block in [naming.mixtureBlock, "mlp"]
    where folder.holds("\(TensorNaming.layer(layer)).\(block).experts.gate_up_proj") {
      naming.mixtureBlock = block
      naming.experts = .fused
      break
    }
    return naming
  }

  private static func catalog(_ folder: CheckpointFolder, _ naming: TensorNaming) -> any TensorCatalog {
    naming.lacksPrefix ? UnprefixedCatalog(base: folder) : folder
  }

  /// What a missing or odd tensor is a sign of, where the folder tells.
  private static func explained(_ error: ModelError, in folder: CheckpointFolder) -> any Error {
    if case .missingTensor(let name) = error, let absence = folder.absence(of: name) { return absence }
    switch error {
    case .missingTensor, .wrongShape, .wrongType: return ForeignPacking.find(in: folder)?.error ?? error
    default: return error
    }
  }

  /// The n of `model.layers.{n}.…`, or without the prefix; nil for other names.
  private static func layerIndex(_ name: String) -> Int? {
    for prefix in ["model.layers.", "layers."] where name.utf8.starts(with: prefix.utf8) {
      let digits = name.utf8.dropFirst(prefix.utf8.count).prefix { $0 != UInt8(ascii: ".") }
      return Int(Substring(digits))
    }
    return nil
  }
}
