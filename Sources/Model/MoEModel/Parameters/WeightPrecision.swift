import Kernels

/// How a model's weights are held in memory, whatever its checkpoint stores.
package enum WeightPrecision: String, Sendable, CaseIterable {
  /// As stored. Beside GGUF's blocks, which 8-bit rows meet, all but routers is held so that such rows meet it.
  case auto
  /// As stored where that takes no more than eight bits; the rest as q8.
  case mixed
  /// fp32, which holds every stored format exactly.
  case f32
  /// bf16, and so are the rows they meet.
  case bf16
  /// 8-bit levels in blocks of 64, met by 8-bit rows.
  case q8
  /// 4-bit levels in blocks of 64, met by 8-bit rows; embedding, head, indexers and the latent's up-projections in 8
  /// bits.
  case q4

  /// What a parameter is for, as far as its format depends on it.
  package enum Use: Sendable {
    case projection
    /// Embedding, head, and an indexer's queries and keys: of few bytes, and of much effect.
    case sensitive
    /// A head's parts of a latent's up-projection, of which one is transposed: they stay as stored in a quantised
    /// folder, because a row's blocks are another row's there.
    case latentUp
    /// Routers, shared experts' gates and the weights of an indexer's heads: never rounded.
    case choice
    /// Norms, biases and the like: held in fp32.
    case vector
  }

  /// The format a matrix stored in `stored` is held in, and that of the rows it meets. Nil is a form in which no matrix
  /// is held: it is rounded to q8 where it would have been held as stored. `besideBlocks`: whether the model has
  /// matrices stored in blocks.
  package func formats(
    _ use: Use, stored: WeightFormat?, besideBlocks: Bool = false
  ) -> (weights: WeightFormat, rows: RowFormat) {
    let held = stored.flatMap { $0.isHeld ? ($0, $0.plainRowFormat) : nil } ?? (.q8, .int8)
    switch (self, use) {
    case (_, .choice): return stored?.isBlocked ?? true ? (.float32, .float32) : held
    case (.auto, _) where besideBlocks: return held.1 == .int8 ? held : (.q8, .int8)
    case (.auto, _): return held
    case (.mixed, _): return stored?.elementType == nil || stored?.isBlocked ?? false ? held : (.q8, .int8)
    case (.f32, _), (_, .vector): return (.float32, .float32)
    case (.bf16, _): return (.bfloat16, .bfloat16)
    case (.q8, _), (.q4, .sensitive), (.q4, .latentUp): return (.q8, .int8)
    case (.q4, .projection): return (.q4, .int8)
    }
  }

  /// 8-bit levels and the rows they meet: what a matrix becomes where nothing holds it as it should be held.
  static let eightBits: (weights: WeightFormat, rows: RowFormat) = (.q8, .int8)

  /// What rows are rounded to on their way into matrices that do not meet them as fp32. `holdsIntegers`: whether
  /// matrices held as stored are.
  func rowFormat(holdsIntegers: Bool) -> RowFormat {
    switch self {
    case .auto: holdsIntegers ? .int8 : .float32
    case .f32: .float32
    case .bf16: .bfloat16
    case .mixed, .q8, .q4: .int8
    }
  }

  /// Whether `quantize` writes it.
  package var isQuantized: Bool { self == .q8 || self == .q4 }
}
