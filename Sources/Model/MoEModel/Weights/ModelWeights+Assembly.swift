import Kernels
import Tensors

/// Turns sources into weights: by counting their bytes, or by reserving memory and noting what to read into it.
protocol WeightAllocator: AnyObject {
  func matrix(_ source: MatrixSource, bias: VectorSource?) throws -> PackedMatrix
  func vector(_ source: VectorSource) throws -> AlignedBuffer<Float>
}

/// Walks a model's description and asks an allocator for every weight this rank holds.
struct ModelAssembly {
  let description: DecoderDescription
  let tensors: CheckpointTensors
  let allocator: any WeightAllocator
  /// Whether this rank holds expert (layer, expert).
  let owns: (_ layer: Int, _ expert: Int) -> Bool

  func model() throws -> ModelWeights {
    let hidden = description.hiddenSize
    let vocabulary = description.vocabularySize
    let embedding = try allocator.matrix(
      tensors.rows(
        of: TensorNaming.embedding, tensorRows: vocabulary, columns: hidden, first: 0, rows: vocabulary, use: .sensitive
      ),
      bias: nil)
    let layers = try description.layers.indices.map { try layer($0) }
    let finalNorm = try allocator.vector(tensors.vector(TensorNaming.finalNorm, shape: [hidden]))
    let head =
      description.tiedEmbeddings
      ? embedding
      : try allocator.matrix(
        tensors.rows(
          of: TensorNaming.head, tensorRows: vocabulary, columns: hidden, first: 0, rows: vocabulary, use: .sensitive),
        bias: nil)
    return ModelWeights(embedding: embedding, layers: layers, finalNorm: finalNorm, head: head)
  }

  private func layer(_ index: Int) throws -> LayerWeights {
    let hidden = description.hiddenSize
    let prefix = TensorNaming.layer(index)
    let attention: AttentionWeights
    switch description.attention {
    case .latent(let latent): attention = .latent(try latentAttention(latent, "\(prefix).self_attn"))
    case .grouped(let grouped): attention = .grouped(try groupedAttention(grouped, "\(prefix).self_attn"))
    }
    let feedForward: LayerWeights.FeedForward
    switch description.layers[index].feedForward {
    case .dense(let intermediate):
      feedForward = .dense(
        try self.feedForward(
          "\(prefix).mlp", names: ("gate_proj", "up_proj", "down_proj"), intermediate: intermediate,
          hasBias: description.denseHasBias))
    case .mixture: feedForward = .mixture(try mixture(index))
    }
    return LayerWeights(
      attentionNorm: try allocator.vector(tensors.vector("\(prefix).input_layernorm.weight", shape: [hidden])),
      attention: attention,
      feedForwardNorm: try allocator.vector(
        tensors.vector("\(prefix).post_attention_layernorm.weight", shape: [hidden])),
      feedForward: feedForward)
  }

  private func linear(
    _ name: String, rows: Int, columns: Int, hasBias: Bool = false, use: WeightPrecision.Use = .projection
  ) throws -> PackedMatrix {
    try allocator.matrix(
      tensors.linear(name, rows: rows, columns: columns, use: use),
      bias: hasBias ? tensors.vector("\(name).bias", shape: [rows]) : nil)
  }

  private func latentAttention(_ latent: LatentAttention, _ prefix: String) throws -> LatentAttentionWeights {
    let hidden = description.hiddenSize
    let queryRows = latent.headCount * latent.queryDims
    let keyValueDown = try linear(
      "\(prefix).kv_a_proj_with_mqa", rows: latent.latentRank + latent.rotaryDims, columns: hidden,
      hasBias: latent.hasBias)
    let keyValueNorm = try allocator.vector(
      tensors.vector("\(prefix).kv_a_layernorm.weight", shape: [latent.latentRank]))
    let headRows = latent.nopeDims + latent.valueDims
    let keyValueUp = "\(prefix).kv_b_proj.weight"
    let heads = 0..<latent.headCount
    let keyAbsorb = try heads.map { head in
      try allocator.matrix(
        tensors.transposed(
          of: keyValueUp, tensorRows: latent.headCount * headRows, rows: latent.latentRank, first: head * headRows,
          columns: latent.nopeDims, use: .latentUp, worker: worker(ofHead: head, count: latent.headCount)), bias: nil)
    }
    let valueUp = try heads.map { head in
      try allocator.matrix(
        tensors.rows(
          of: keyValueUp, tensorRows: latent.headCount * headRows, columns: latent.latentRank,
          first: head * headRows + latent.nopeDims, rows: latent.valueDims, use: .latentUp,
          worker: worker(ofHead: head, count: latent.headCount)), bias: nil)
    }
    let output = try linear(
      "\(prefix).o_proj", rows: hidden, columns: latent.headCount * latent.valueDims, hasBias: latent.hasBias)
    guard let rank = latent.queryRank else {
      return LatentAttentionWeights(
        queryDown: try linear("\(prefix).q_proj", rows: queryRows, columns: hidden), queryNorm: nil, queryUp: nil,
        keyValueDown: keyValueDown, keyValueNorm: keyValueNorm, keyAbsorb: keyAbsorb, valueUp: valueUp, output: output)
    }
    return LatentAttentionWeights(
      queryDown: try linear("\(prefix).q_a_proj", rows: rank, columns: hidden, hasBias: latent.hasBias),
      queryNorm: try allocator.vector(tensors.vector("\(prefix).q_a_layernorm.weight", shape: [rank])),
      queryUp: try linear("\(prefix).q_b_proj", rows: queryRows, columns: rank), keyValueDown: keyValueDown,
      keyValueNorm: keyValueNorm, keyAbsorb: keyAbsorb, valueUp: valueUp, output: output)
  }

  /// Heads are dealt to workers in runs, so that a head's matrices and its work stay on one NUMA node.
  private func worker(ofHead head: Int, count: Int) -> Int {
    HeadSharing.worker(ofHead: head, headCount: count, workerCount: tensors.workerCount)
  }

  private func groupedAttention(_ grouped: GroupedAttention, _ prefix: String) throws -> GroupedAttentionWeights {
    let hidden = description.hiddenSize
    let queryRows = grouped.headCount * grouped.headDims
    let keyRows = grouped.keyValueHeadCount * grouped.headDims
    func norm(_ name: String, _ rows: Int) throws -> AlignedBuffer<Float>? {
      switch grouped.queryKeyNorm {
      case .none: return nil
      case .perHead:
        return try allocator.vector(tensors.vector("\(prefix).\(name).weight", shape: [grouped.headDims]))
      case .fullWidth: return try allocator.vector(tensors.vector("\(prefix).\(name).weight", shape: [rows]))
      }
    }
    let bias = grouped.projectionBias
    return GroupedAttentionWeights(
      query: try linear("\(prefix).q_proj", rows: queryRows, columns: hidden, hasBias: bias),
      key: try linear("\(prefix).k_proj", rows: keyRows, columns: hidden, hasBias: bias),
      value: try linear("\(prefix).v_proj", rows: keyRows, columns: hidden, hasBias: bias),
      output: try linear("\(prefix).o_proj", rows: hidden, columns: queryRows, hasBias: grouped.outputBias),
      queryNorm: try norm("q_norm", queryRows), keyNorm: try norm("k_norm", keyRows),
      sinks: grouped.hasSinks
        ? try allocator.vector(tensors.vector("\(prefix).sinks", shape: [grouped.headCount], mayBeMinusInfinity: true))
        : nil)
  }

  private func feedForward(
    _ prefix: String, names: (gate: String, up: String, down: String), intermediate: Int, hasBias: Bool = false
  ) throws -> FeedForwardWeights {
    let hidden = description.hiddenSize
    return FeedForwardWeights(
      gate: try linear("\(prefix).\(names.gate)", rows: intermediate, columns: hidden, hasBias: hasBias),
      up: try linear("\(prefix).\(names.up)", rows: intermediate, columns: hidden, hasBias: hasBias),
      down: try linear("\(prefix).\(names.down)", rows: hidden, columns: intermediate, hasBias: hasBias))
  }

  private func mixture(_ index: Int) throws -> MixtureWeights {
    guard let mixture = description.mixture else {
      throw ModelError.inconsistent("layer \(index) has experts but no description of them")
    }
    let prefix = description.naming.mixture(index)
    let hidden = description.hiddenSize
    let router = "\(prefix).\(description.naming.router)"
    let experts = try (0..<mixture.expertCount).map { expert in
      owns(index, expert) ? try self.expert(expert, mixture, "\(prefix).experts") : nil
    }
    return MixtureWeights(
      router: try linear(
        router, rows: mixture.expertCount, columns: hidden, hasBias: mixture.router.hasLinearBias,
        use: .choice),
      selectionBias: mixture.router.hasSelectionBias
        ? try allocator.vector(tensors.vector("\(router).e_score_correction_bias", shape: [mixture.expertCount])) : nil,
      shared: try mixture.sharedIntermediateSize.map {
        try feedForward(
          "\(prefix).\(description.naming.sharedExpert)", names: ("gate_proj", "up_proj", "down_proj"), intermediate: $0
        )
      },
      sharedGate: mixture.sharedIsGated
        ? try linear("\(prefix).\(description.naming.sharedExpert)_gate", rows: 1, columns: hidden, use: .choice) : nil,
      experts: experts)
  }

  private func expert(_ expert: Int, _ mixture: MixtureDescription, _ prefix: String) throws -> FeedForwardWeights {
    let hidden = description.hiddenSize
    let intermediate = mixture.expertIntermediateSize
    switch description.naming.experts {
    case .separate(let gate, let up, let down):
      return try feedForward("\(prefix).\(expert)", names: (gate, up, down), intermediate: intermediate)
    case .fused:
      func part(_ name: String, _ tensorRows: Int, _ columns: Int, first: Int = 0, rows: Int) throws -> PackedMatrix {
        try allocator.matrix(
          tensors.fusedExpert(
            "\(prefix).\(name)", expert: expert, expertCount: mixture.expertCount, tensorRows: tensorRows,
            columns: columns,
            first: first, rows: rows), bias: nil)
      }
      return FeedForwardWeights(
        gate: try part("gate_up_proj", 2 * intermediate, hidden, rows: intermediate),
        up: try part("gate_up_proj", 2 * intermediate, hidden, first: intermediate, rows: intermediate),
        down: try part("down_proj", hidden, intermediate, rows: hidden))
    case .stacked:
      let count = mixture.expertCount
      func half(_ first: Int) throws -> PackedMatrix {
        try allocator.matrix(
          tensors.stackedExpert(
            "\(prefix).gate_up_proj", expert: expert, expertCount: count, tensorRows: 2 * intermediate, columns: hidden,
            first: first, step: 2, rows: intermediate),
          bias: tensors.vector(
            "\(prefix).gate_up_proj_bias", shape: [count, 2 * intermediate], first: expert * 2 * intermediate + first,
            step: 2, count: intermediate))
      }
      return FeedForwardWeights(
        gate: try half(0), up: try half(1),
        down: try allocator.matrix(
          tensors.stackedExpert(
            "\(prefix).down_proj", expert: expert, expertCount: count, tensorRows: hidden, columns: intermediate,
            first: 0,
            step: 1, rows: hidden),
          bias: tensors.vector(
            "\(prefix).down_proj_bias", shape: [count, hidden], first: expert * hidden, step: 1, count: hidden)))
    }
  }
}

/// Which worker computes which attention heads: runs of nearly equal length.
package enum HeadSharing {
  package static func heads(ofWorker worker: Int, headCount: Int, workerCount: Int) -> Range<Int> {
    (headCount * worker / workerCount)..<(headCount * (worker + 1) / workerCount)
  }
  package static func worker(ofHead head: Int, headCount: Int, workerCount: Int) -> Int {
    ((head + 1) * workerCount - 1) / headCount
  }
}
