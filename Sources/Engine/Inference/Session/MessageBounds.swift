import ExpertParallelism
import MoEModel

/// How many tokens a step may have so that no message between two ranks of it can be longer than MPI carries, whatever
/// the tokens choose and wherever experts are moved meanwhile.
struct MessageBounds {
  private static let byteLimit = Int(Int32.max)

  /// Bytes of the longest message of a step of so many tokens, at most; never less of more tokens.
  private let longest: (Int) -> Int

  /// Of tokens that are sent to the ranks of their experts with up to `topK` visits, for which each returns up to
  /// `rows`.
  init(_ wire: WireFormat, topK: Int, rows: Int) {
    longest = { wire.longestMessage(tokens: $0, topK: topK, rows: rows) }
  }

  /// Of rows that ranks complete for each other, those of so many ranks in one message (`SliceRoutes.mostOrigins`).
  /// Logits are wanted of up to `logitRows` of a step's tokens.
  init(_ description: DecoderDescription, slice: ModelSlice, logitRows: Int, origins: Int = 1) {
    let numberBytes = 4 * max(origins, 1)
    let bytes = numberBytes * Self.widest(description, slice)
    let logitBytes = numberBytes * Self.own(description.vocabularySize, slice)
    longest = { tokens in
      let (rows, overflows) = tokens.multipliedReportingOverflow(by: bytes)
      let (logits, logitsOverflow) = min(tokens, logitRows).multipliedReportingOverflow(by: logitBytes)
      let most = max(rows, logits)
      return overflows || logitsOverflow || most > Int.max - 64 ? .max : most + 64
    }
  }

  /// The greatest number of tokens up to `limit`; one at least.
  func tokens(atMost limit: Int) -> Int {
    guard longest(limit) > Self.byteLimit else { return limit }
    var (fits, fails) = (1, limit)
    while fails - fits > 1 {
      let middle = fits + (fails - fits) / 2
      if longest(middle) > Self.byteLimit { fails = middle } else { fits = middle }
    }
    return fits
  }

  /// Of so many columns the most that one rank has.
  private static func own(_ columns: Int, _ slice: ModelSlice) -> Int {
    slice.ranges(of: columns).map(\.count).max() ?? columns
  }

  /// Numbers that one rank sends for a token in one exchange, at most, but for logits: those are not of all tokens.
  private static func widest(_ description: DecoderDescription, _ slice: ModelSlice) -> Int {
    func own(_ columns: Int) -> Int { Self.own(columns, slice) }
    let hidden = description.hiddenSize
    // All tokens may be of one rank's part of the vocabulary.
    var widths = [hidden]
    for layer in description.runLayers {
      switch layer.attention {
      case .latent(let latent):
        let indexer = latent.indexer.map { own($0.headDims) + own($0.headCount) } ?? 0
        widths.append(own(latent.queryRank ?? 0) + own(latent.latentRank + latent.rotaryDims) + indexer)
        widths.append(latent.indexer.map { own($0.headCount * $0.headDims) } ?? 0)
        widths.append((slice.heads(of: latent).map(\.count).max() ?? 0) * latent.valueDims)
      case .grouped(let grouped):
        let heads = slice.heads(of: grouped).map { $0.queries.count + $0.keys.count }.max() ?? 0
        widths.append(heads * grouped.headDims)
      case .delta(let delta):
        widths.append((slice.heads(of: delta).map(\.values.count).max() ?? 0) * delta.valueDims)
      // It is not divided.
      case .compressed: break
      }
      if case .dense(let intermediate) = layer.feedForward { widths.append(own(intermediate)) }
    }
    if let moe = description.moe {
      let shared = own(moe.sharedIntermediateSize ?? 0)
      // Of routers' logits a host's first rank may have all.
      widths.append(moe.expertCount)
      if slice.dividesExperts {
        widths += [moe.topK * own(moe.expertIntermediateSize) + shared, own(hidden)]
      } else {
        widths += [shared, moe.topK * hidden + own(hidden)]
      }
    }
    return widths.max() ?? hidden
  }
}
