import Tensors

/// Which parameter of a model: what it is for, in which layer, of which expert.
package struct ParameterID: Hashable, Sendable {
  package var role: ParameterRole
  /// Nil outside the layers. Layers past the last are multi-token prediction modules.
  package var layer: Int?
  package var expert: Int?
  /// The bias of a projection rather than its matrix.
  package var isBias = false

  package init(_ role: ParameterRole, layer: Int? = nil, expert: Int? = nil) {
    (self.role, self.layer, self.expert) = (role, layer, expert)
  }

  /// The bias that goes with this matrix.
  package var bias: ParameterID {
    var bias = self
    bias.isBias = true
    return bias
  }
}

/// What a parameter is for.
package enum ParameterRole: Hashable, Sendable {
  /// `[vocabulary, hidden]` both.
  case embedding, head
  case finalNorm, attentionNorm, feedForwardNorm
  /// From the hidden state to the queries of all heads.
  case query
  case key, value, queryNorm, keyNorm, sinks
  /// From the values of all heads back to the hidden state.
  case attentionOutput
  /// Latent attention: to the latents of query and of key and value, their norms, and up from them.
  case queryDown, queryLatentNorm, queryUp, keyValueDown, keyValueLatentNorm, keyValueUp
  /// Gated DeltaNet's.
  case delta(DeltaPart)
  /// The indexer: from the query's latent to its queries, from the hidden state to its key and the weights of its
  /// heads.
  case indexQuery, indexKey, indexKeyNorm, indexKeyNormBias, indexWeights
  /// Compressed attention's: from what a group of heads attended to what meets the output's matrix; and how entries are
  /// made of tokens, those that are attended and those that the indexer knows them by.
  case outputDown
  case pool(PoolPart)
  case indexPool(PoolPart)
  /// How half a layer, the head, or a prediction module's head, takes part in hyper-connections.
  case hyper(HyperPart, of: HyperPlace)
  case router
  /// Added to the router's scores for the choice only.
  case selectionBias
  /// By token id, the experts it goes to.
  case tokenExperts
  case feedForward(FeedForwardKind, Projection)
  /// What the shared expert's output is multiplied with the sigmoid of.
  case sharedGate
  case prediction(PredictionPart)

  package enum FeedForwardKind: Hashable, Sendable { case dense, shared, expert }
  package enum Projection: Hashable, Sendable, CaseIterable { case gate, up, down }
  /// What gated DeltaNet consists of: projections of the hidden state to queries, keys and values (and gates where they
  /// are fused), to gates, to betas (and decays), to decays; the convolution; what is added to decays, and the
  /// logarithm of their rates; the norm of what a head recalls, and the way back to the hidden state.
  package enum DeltaPart: Hashable, Sendable, CaseIterable {
    case input, gate, beta, decay, convolution, decayBias, decayRate, norm, output
  }
  /// What makes entries of tokens: projections of the hidden state to values and gates, what is added to gates by a
  /// token's place in its entry, and the norm of what comes of it.
  package enum PoolPart: Hashable, Sendable, CaseIterable { case value, gate, gateBias, norm }
  /// A matrix from all streams to the weights that follow from them, what is added to these, and what they are
  /// multiplied with before.
  package enum HyperPart: Hashable, Sendable, CaseIterable { case function, base, scale }
  package enum HyperPlace: Hashable, Sendable, CaseIterable {
    case attention, feedForward, head, prediction
  }
  /// What a multi-token prediction module has beside a layer of the model (DeepSeek-V3, section 2.2). Where the
  /// residual stream is several, `projection` is of hidden states alone. Those that draft blocks together
  /// (`BlockDrafting`) have a matrix and a norm for the model's hidden states, and for guesses two matrices from a
  /// token to what it adds to the logits of the next, and one of a row that says how sure a guess is.
  package enum PredictionPart: Hashable, Sendable, CaseIterable {
    case embedding, embeddingNorm, hiddenNorm, projection, embeddingProjection, norm, head
    case fusion, fusionNorm, transitionFrom, transitionTo, confidence
  }

  /// All that an indexer beside latent attention has.
  static let ofIndexer: [ParameterRole] = [.indexQuery, .indexKey, .indexKeyNorm, .indexKeyNormBias, .indexWeights]
  package var isOfIndexer: Bool {
    if case .indexPool = self { true } else { Self.ofIndexer.contains(self) }
  }

  /// Whether it is a matrix of latent attention that latents are multiplied with.
  var meetsLatents: Bool {
    switch self {
    case .queryUp, .keyValueUp, .indexQuery: true
    default: false
    }
  }

  /// What it is published in whatever the others are: numbers in fp32 that are few and of much effect, and tables. Nil
  /// for what is as they are.
  package var publishedType: ElementType? {
    switch self {
    case .selectionBias, .delta(.decayBias), .delta(.decayRate), .hyper, .pool(.gateBias), .indexPool(.gateBias):
      .float32
    case .tokenExperts: .int64
    default: nil
    }
  }

  /// Whether it is kept, and computed with, in fp32 whatever the others are.
  package var isFull: Bool { publishedType != nil }

  /// Whether it is the weight of a norm.
  package var isNorm: Bool {
    switch self {
    case .finalNorm, .attentionNorm, .feedForwardNorm, .queryNorm, .keyNorm, .queryLatentNorm, .keyValueLatentNorm,
      .delta(.norm), .indexKeyNorm, .pool(.norm), .indexPool(.norm), .prediction(.embeddingNorm),
      .prediction(.hiddenNorm), .prediction(.norm), .prediction(.fusionNorm):
      true
    default: false
    }
  }
}
