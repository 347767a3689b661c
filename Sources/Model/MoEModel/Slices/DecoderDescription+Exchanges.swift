import Kernels
import Telemetry

extension DecoderDescription {
  /// What ranks that share out every matrix, of routed experts too, tell each other in a step, in the order of its
  /// first layer; empty where this model is not shared out.
  package var exchanges: [RowExchange] {
    guard slicingObstacle == nil else { return [] }
    typealias Piece = RowExchange.Piece
    var found: [RowExchange] = []
    func add(_ stage: RowExchange.Stage, _ pieces: [Piece]) {
      // Layers alike count together.
      if let place = found.firstIndex(where: { $0.stage == stage && $0.pieces == pieces }) {
        found[place].count += 1
      } else {
        found.append(RowExchange(stage, count: 1, pieces))
      }
    }
    let (hidden, rounded) = (Piece(columns: hiddenSize), rowFormat.travellingBytes)
    add(.embedding, [Piece(columns: hiddenSize, isWhole: true)])
    for layer in runLayers {
      switch layer.attention {
      case .latent(let latent):
        // An indexer's keys travel with the latents. What chooses positions in long contexts comes on top of this.
        let key = latent.indexer.flatMap { $0.isShared ? nil : $0.headDims }
        add(
          .latents,
          [latent.queryRank, latent.latentRank + latent.rotaryDims, key].compactMap { $0.map { Piece(columns: $0) } })
        add(
          .values,
          [
            Piece(
              columns: latent.headCount * latent.valueDims, byteCount: rounded, heads: latent.headCount,
              keyHeads: latent.headCount)
          ])
      case .grouped(let grouped):
        let (queries, keys) = (grouped.headCount, grouped.keyValueHeadCount)
        if grouped.queryKeyNorm == .fullWidth {
          add(
            .queries,
            [
              Piece(columns: queries * grouped.headDims, heads: queries, keyHeads: keys),
              Piece(columns: keys * grouped.headDims, heads: keys, keyHeads: keys),
            ])
        }
        add(.values, [Piece(columns: queries * grouped.headDims, byteCount: rounded, heads: queries, keyHeads: keys)])
      case .delta(let delta):
        add(
          .values,
          [
            Piece(
              columns: delta.valueHeadCount * delta.valueDims, byteCount: rounded, heads: delta.valueHeadCount,
              keyHeads: delta.keyHeadCount)
          ])
      // No model with it is shared out.
      case .compressed: return []
      }
      add(.attentionOutput, [hidden])
      switch layer.feedForward {
      case .dense(let width):
        add(.denseInner, [Piece(columns: width, byteCount: rounded)])
        add(.denseOutput, [hidden])
      case .moe:
        guard let moe else { continue }
        add(.router, [Piece(columns: moe.expertCount)])
        let visits = Piece(
          columns: moe.expertIntermediateSize, rows: moe.topK, byteCount: expertRowFormat.travellingBytes)
        let shared = moe.sharedIntermediateSize.map { Piece(columns: $0, byteCount: rounded) }
        add(.expertInner, [visits] + (shared.map { [$0] } ?? []))
        // With the shared expert's added to it.
        add(.expertOutput, [hidden])
      }
    }
    add(.logits, [Piece(columns: vocabularySize)])
    if predicts {
      add(.embedding, [Piece(columns: hiddenSize, isWhole: true)])
      add(.projection, [hidden])
      add(.guess, [Piece(columns: 2, isWhole: true)])
    }
    return found
  }
}

extension RowFormat {
  /// Of a number on its way to a product that takes it so.
  fileprivate var travellingBytes: Double {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    // A scale and a sum for each block of 64.
    case .int8: 1 + 8.0 / 64
    }
  }
}

extension RowExchange.Piece {
  /// Which columns each of so many ranks has.
  private func ranges(_ ranks: Int) -> [Range<Int>] {
    guard heads > 0 else { return ModelSlice(rank: 0, of: ranks, dividesExperts: true).ranges(of: columns) }
    let width = columns / heads
    return ModelSlice(rank: 0, of: ranks, dividesExperts: true).heads(keys: keyHeads, perKey: heads / keyHeads).map {
      $0.others * width
    }
  }

  /// Bytes that all of so many ranks have together of a token's rows, and the rank with most of them.
  package func byteCounts(ranks: Int) -> (all: Double, most: Double) {
    guard !isWhole else {
      let all = Double(columns * rows) * byteCount
      return (all, all)
    }
    let ranges = ranges(ranks)
    let block = 64
    let isApart = ranges.allSatisfy {
      $0.isEmpty || ($0.lowerBound % block == 0 && ($0.upperBound % block == 0 || $0.upperBound == columns))
    }
    // Numbers that share scales travel in whole blocks, the last one of a row too.
    let unit = isApart && byteCount != byteCount.rounded() ? block : 1
    let counts = ranges.map { ($0.count + unit - 1) / unit * unit }
    let bytes = Double(rows) * (isApart ? byteCount : 4)
    return (Double(counts.reduce(0, +)) * bytes, Double(counts.max() ?? 0) * bytes)
  }

  /// Numbers of a token's rows that the rank with most of them has.
  fileprivate func largestCount(ranks: Int) -> Int {
    isWhole ? columns * rows : (ranges(ranks).map(\.count).max() ?? 0) * rows
  }
}

extension RowExchange {
  /// Bytes of all pieces of one exchange of a token among so many ranks: `all` ranks' together, and of the rank with
  /// `most`.
  package func byteCounts(ranks: Int) -> (all: Double, most: Double) {
    pieces.reduce((0, 0)) { sum, piece in
      let bytes = piece.byteCounts(ranks: ranks)
      return (sum.0 + bytes.all, sum.1 + bytes.most)
    }
  }

  /// The part of a token's numbers that the rank with most of them has; 1 / `ranks` where all have as many.
  package func largestShare(ranks: Int) -> Double {
    let all = pieces.reduce(0) { $0 + $1.columns * $1.rows }
    let most = pieces.reduce(0) { $0 + $1.largestCount(ranks: ranks) }
    return all > 0 ? Double(most) / Double(all) : 1 / Double(max(ranks, 1))
  }
}
