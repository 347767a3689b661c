import JSON

/// An exchange between ranks that share out every matrix of a model by output element: what each has of some rows goes
/// to all others, in one message from each to each.
package struct RowExchange: Sendable, Equatable {
  /// Which rows these are.
  package enum Stage: String, Sendable, CaseIterable {
    case embedding, latents
    /// Queries and keys before a norm over all heads.
    case queries
    /// What heads attended to, on its way into attention's output matrix.
    case values
    case attentionOutput = "attention_output"
    /// What lies between gate and down of a dense layer, and what that layer adds to the stream.
    case denseInner = "dense_inner"
    case denseOutput = "dense_output"
    /// Routers' logits, which the ranks of a host tell only each other.
    case router
    /// What lies between gate and down of routed and shared experts, and what they add to the stream.
    case expertInner = "expert_inner"
    case expertOutput = "expert_output"
    case logits
    /// The input of a prediction module's layer; and each rank's most probable token, of which one counts here.
    case projection, guess
  }

  /// Rows that travel in one exchange, of which each rank has some columns.
  package struct Piece: Sendable, Equatable {
    package var columns: Int
    /// For each token; for a visit, the experts that a token chooses.
    package var rows: Int
    /// Bytes of a number, where ranks divide the columns at multiples of 64; elsewhere a number takes four. Parts of a
    /// byte are of what blocks of 64 columns have in common, which travel whole then.
    package var byteCount: Double
    /// Heads of which ranks have whole ones, and those that share keys with them; 0 where columns are divided anyhow.
    package var heads: Int
    package var keyHeads: Int
    /// Whether each row is some rank's, whole.
    package var isWhole: Bool

    package init(
      columns: Int, rows: Int = 1, byteCount: Double = 4, heads: Int = 0, keyHeads: Int = 0, isWhole: Bool = false
    ) {
      (self.columns, self.rows, self.byteCount) = (columns, rows, byteCount)
      (self.heads, self.keyHeads, self.isWhole) = (heads, keyHeads, isWhole)
    }
  }

  package var stage: Stage
  /// Whether every host computes all of it, so that its ranks tell only each other.
  package var isWithinHost: Bool { stage == .router }
  /// How many there are in a step.
  package var count: Int
  package var pieces: [Piece]

  package init(_ stage: Stage, count: Int, _ pieces: [Piece]) {
    (self.stage, self.count, self.pieces) = (stage, count, pieces)
  }
}

extension RowExchange {
  package var json: JSONValue {
    [
      "stage": .string(stage.rawValue), "count": .int(count),
      "pieces": .array(
        pieces.map {
          [
            "columns": .int($0.columns), "rows": .int($0.rows), "bytes_per_column": .double($0.byteCount),
            "heads": .int($0.heads), "key_heads": .int($0.keyHeads), "whole": .bool($0.isWhole),
          ]
        }),
    ]
  }

  package init(json: JSONValue) throws(MalformedAccount) {
    guard let stage = json["stage"]?.string.flatMap(Stage.init), let pieces = json["pieces"]?.array, pieces.count <= 16
    else { throw MalformedAccount(reason: "an exchange of its \"exchanges\" is none that is known") }
    self.init(stage, count: try json.count("count", below: 1 << 16), [])
    for piece in pieces {
      let bytes = piece["bytes_per_column"]?.double ?? 0
      guard bytes > 0, bytes <= 8, let isWhole = piece["whole"]?.bool else {
        throw MalformedAccount(
          reason: "a piece of its \"exchanges\" has no \"whole\", or \"bytes_per_column\" beyond 0 to 8")
      }
      let heads = try piece.count("heads", below: 1 << 16)
      let keyHeads = try piece.count("key_heads", below: 1 << 16)
      let columns = try piece.count("columns", below: 1 << 30)
      // Heads share keys evenly, and columns evenly.
      guard heads == 0 ? keyHeads == 0 : keyHeads > 0 && heads % keyHeads == 0 && columns % heads == 0 else {
        throw MalformedAccount(reason: "a piece of its \"exchanges\" has heads that do not divide it")
      }
      self.pieces.append(
        Piece(
          columns: columns, rows: try piece.count("rows", below: 1 << 16), byteCount: bytes, heads: heads,
          keyHeads: keyHeads, isWhole: isWhole))
    }
  }
}
