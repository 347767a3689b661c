import Kernels

// What a rank reads after each exchange of a layer, or when outputs of experts are back; nil where nobody fetches it
// before.

extension LayerAssembly {
  /// What a backward pass needs is read once for many rows: caches are left alone then.
  private var fetches: Bool { gatherer?.fetches ?? (kept == .none && experts?.dispatcher.fetches ?? false) }

  func next(_ matrices: [PackedMatrix]) -> NextWeights? {
    guard fetches else { return nil }
    return NextWeights(matrices, workerCount: compute.workerCount)
  }

  /// When a layer's input has been completed: what its first products read; after the model's last layer the head.
  func entry(_ layer: Int) -> NextWeights? {
    guard layer < description.layers.count else { return next([weights.head]) }
    return next(weights.runLayers[layer].attention.entry)
  }

  /// When attention's output has been completed.
  func feedForwardEntry(_ layer: Int) -> NextWeights? {
    guard let gatherer, let entry = next([]) else { return nil }
    switch weights.runLayers[layer].feedForward {
    case .dense(let dense): for matrix in [dense.gate, dense.up] { entry.add(matrix) }
    case .moe(let moe):
      if let shares = HostShares(gatherer) {
        shares.add(moe.router, to: entry)
      } else {
        entry.add(moe.router)
      }
      for matrix in [moe.shared?.gate, moe.shared?.up].compactMap(\.self) { entry.add(matrix) }
    }
    return entry
  }
}

extension LatentAttentionWeights {
  /// What queries' and keys' latents are multiplied with.
  var ofLatents: [PackedMatrix] { [queryUp, indexer?.query].compactMap(\.self) + keyAbsorb + valueUp }
}

extension AttentionWeights {
  /// What is multiplied with first, in that order.
  fileprivate var entry: [PackedMatrix] {
    switch self {
    case .latent(let latent):
      [latent.queryDown, latent.keyValueDown, latent.indexer?.key, latent.indexer?.headWeights].compactMap(\.self)
        + latent.ofLatents
    case .grouped(let grouped): [grouped.query, grouped.key, grouped.value]
    case .delta(let delta): delta.input + [delta.gate].compactMap(\.self) + delta.beta
    case .compressed(let compressed):
      [
        compressed.queryDown, compressed.key, compressed.pool?.value, compressed.pool?.gate,
        compressed.index?.pool.value, compressed.index?.pool.gate, compressed.index?.headWeights, compressed.queryUp,
        compressed.index?.query,
      ].compactMap(\.self)
    }
  }
}
