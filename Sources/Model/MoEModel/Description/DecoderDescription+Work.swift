import Telemetry

extension DecoderDescription {
  /// Parameters of each part, norms and biases left out.
  package var work: ModelWork {
    var work = ModelWork()
    work.hiddenSize = hiddenSize
    work.layers = layerCount
    work.mixtureLayers = mixtureLayers.count
    work.head = hiddenSize * vocabularySize
    switch attention {
    case .latent(let a):
      let queries = a.headCount * a.queryDims
      work.attention =
        (a.queryRank.map { $0 * (hiddenSize + queries) } ?? hiddenSize * queries) + hiddenSize
        * (a.latentRank + a.rotaryDims)
        + a.latentRank * a.headCount * (a.nopeDims + a.valueDims) + a.headCount * a.valueDims * hiddenSize
    case .grouped(let a):
      work.attention = hiddenSize * a.headDims * (2 * a.headCount + 2 * a.keyValueHeadCount)
    }
    for layer in layers { if case .dense(let size) = layer.feedForward { work.dense = 3 * hiddenSize * size } }
    if let mixture {
      work.router = hiddenSize * mixture.expertCount
      work.expert = 3 * hiddenSize * mixture.expertIntermediateSize
      work.shared = 3 * hiddenSize * (mixture.sharedIntermediateSize ?? 0)
    }
    return work
  }
}
