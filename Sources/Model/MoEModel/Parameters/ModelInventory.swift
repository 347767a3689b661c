import Checkpoints
import Tensors

/// What a checkpoint is made of, from its headers alone.
package struct ModelInventory {
  package enum Part: String, Sendable, CaseIterable {
    case embedding, attention, router, norms, head
    case connections = "hyper-connections"
    case denseFeedForward = "dense feed-forward"
    case sharedExperts = "shared experts"
    case routedExperts = "routed experts"
  }
  package struct Amount: Sendable, Equatable {
    package var parameters = 0
    /// As stored.
    package var bytes = 0
    /// In memory, in the precision asked for.
    package var heldBytes = 0

    static func - (a: Amount, b: Amount) -> Amount {
      Amount(parameters: a.parameters - b.parameters, bytes: a.bytes - b.bytes, heldBytes: a.heldBytes - b.heldBytes)
    }
    static func + (a: Amount, b: Amount) -> Amount {
      Amount(parameters: a.parameters + b.parameters, bytes: a.bytes + b.bytes, heldBytes: a.heldBytes + b.heldBytes)
    }
    static func * (a: Amount, count: Int) -> Amount {
      Amount(parameters: a.parameters * count, bytes: a.bytes * count, heldBytes: a.heldBytes * count)
    }
    static func / (a: Amount, count: Int) -> Amount {
      Amount(parameters: a.parameters / count, bytes: a.bytes / count, heldBytes: a.heldBytes / count)
    }
  }

  private let description: DecoderDescription
  package private(set) var parts: [Part: Amount] = [:]
  package private(set) var bytesByType: [ElementType: Int] = [:]

  /// Throws on the first tensor that is missing or has the wrong shape.
  package init(_ description: DecoderDescription, checkpoint: any Checkpoint) throws {
    self.description = description
    try StoredParameters(description, checkpoint: checkpoint, workerCount: 1).walk { spec, found in
      switch found {
      case .matrices(let sources): for source in sources { add(source, to: spec.role.part) }
      case .vector(let source):
        add(
          source.entry.type, to: spec.role.part, parameters: source.count,
          bytes: source.count * source.entry.type.byteCount, heldBytes: source.count * 4)
      }
    }
  }

  package var total: Amount { parts.values.reduce(Amount(), +) }

  /// What one token makes use of: everything but the embedding (of which it reads one row, unless the head is tied to
  /// it) and the experts it did not choose.
  package var active: Amount {
    withoutExperts + oneExpert * (description.moe?.topK ?? 0) * description.moeLayers.count
  }

  /// What every token needs, whichever experts it chooses.
  package var withoutExperts: Amount {
    let embedding = description.tiedEmbeddings ? nil : parts[.embedding]
    return total - (embedding ?? Amount()) - (parts[.routedExperts] ?? Amount())
  }

  /// One expert of one layer.
  package var oneExpert: Amount {
    guard let moe = description.moe, let routed = parts[.routedExperts] else { return Amount() }
    return routed / (moe.expertCount * description.moeLayers.count)
  }

  private mutating func add(_ source: MatrixSource, to part: Part) {
    add(
      source.entry.type, to: part, parameters: source.elementCount, bytes: source.storedByteCount,
      heldBytes: source.byteCount(worker: 0))
    for scales in source.storedScales {
      add(scales.entry.type, to: part, parameters: 0, bytes: scales.byteCount, heldBytes: 0)
    }
  }

  private mutating func add(_ type: ElementType, to part: Part, parameters: Int, bytes: Int, heldBytes: Int) {
    parts[part] = (parts[part] ?? Amount()) + Amount(parameters: parameters, bytes: bytes, heldBytes: heldBytes)
    bytesByType[type, default: 0] += bytes
  }
}

extension ParameterRole {
  /// What a parameter counts as.
  package var part: ModelInventory.Part {
    if isNorm { return .norms }
    switch self {
    case .embedding, .prediction(.embedding): return .embedding
    case .head, .prediction: return .head
    case .query, .key, .value, .sinks, .attentionOutput, .queryDown, .queryUp, .keyValueDown, .keyValueUp, .indexQuery,
      .indexKey, .indexWeights:
      return .attention
    case .delta, .outputDown, .pool, .indexPool: return .attention
    case .hyper: return .connections
    case .router, .selectionBias, .tokenExperts: return .router
    case .feedForward(.dense, _): return .denseFeedForward
    case .feedForward(.shared, _), .sharedGate: return .sharedExperts
    case .feedForward(.expert, _): return .routedExperts
    case .finalNorm, .attentionNorm, .feedForwardNorm, .queryNorm, .keyNorm, .queryLatentNorm, .keyValueLatentNorm,
      .indexKeyNorm, .indexKeyNormBias:
      return .norms
    }
  }
}
