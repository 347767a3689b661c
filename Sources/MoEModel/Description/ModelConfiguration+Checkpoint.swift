import Checkpoints

extension ModelConfiguration {
  /// Reads a folder's configuration and holds the checkpoint's layers against it.
  ///
  /// Layers past the last must be multi-token prediction modules, which are counted and left out; any other would mean
  /// that `num_hidden_layers` belongs to another checkpoint. Throws `ModelError` or `CheckpointError`.
  package static func read(_ folder: CheckpointFolder) throws -> DecoderDescription {
    var description = try read(try folder.settings())
    let extra = Set(folder.names.compactMap(layerIndex)).filter { $0 >= description.layerCount }
    for layer in extra.sorted() where folder.tensor("\(TensorNaming.layer(layer)).eh_proj.weight") == nil {
      throw ModelError.inconsistent(
        "num_hidden_layers = \(description.layerCount), but the checkpoint holds layer \(layer), which is no multi-token prediction module; the files do not belong together"
      )
    }
    description.predictionLayerCount = extra.count
    return description
  }

  /// The n of `model.layers.{n}.…`; nil for other names.
  private static func layerIndex(_ name: String) -> Int? {
    let prefix = "model.layers."
    guard name.utf8.starts(with: prefix.utf8) else { return nil }
    let digits = name.utf8.dropFirst(prefix.utf8.count).prefix { $0 != UInt8(ascii: ".") }
    return Int(Substring(digits))
  }
}
