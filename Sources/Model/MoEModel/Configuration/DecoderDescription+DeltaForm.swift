import Checkpoints

extension DecoderDescription {
  /// What only the tensors tell of gated DeltaNet: whether the projections that a family publishes together lie apart,
  /// and whether rates of decay are stored as they are used. Both are so in GGUF files.
  mutating func takeDeltaForm(of checkpoint: any Checkpoint) {
    guard let layer = layers.firstIndex(where: { if case .delta = $0.attention { true } else { false } }) else {
      return
    }
    func holds(_ part: ParameterRole.DeltaPart, _ names: PublishedNames) -> Bool {
      checkpoint.holds(names.tensor(ParameterID(.delta(part), layer: layer)))
    }
    let apart = names.withGatedDelta()
    if !holds(.input, names), holds(.input, apart) {
      names = apart
      for index in layers.indices {
        guard case .delta(var delta) = layers[index].attention else { continue }
        delta.projections = .separate
        layers[index].attention = .delta(delta)
      }
    }
    let used = names.with([.delta(.decayRate): "model.layers.{layer}.linear_attn.A"])
    if !holds(.decayRate, names), holds(.decayRate, used) { (names, storesDecayRates) = (used, true) }
  }
}
