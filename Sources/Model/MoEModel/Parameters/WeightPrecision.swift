import Kernels

/// How a model's weights are held in memory, whatever its checkpoint stores.
package enum WeightPrecision: String, Sendable, CaseIterable {
  /// As stored. Beside GGUF's blocks, which 8-bit rows meet, all but routers is held so that such rows meet it.
  case auto
  /// fp32, which holds every stored format exactly.
  case f32
  /// bf16, and so are the rows they meet.
  case bf16
  /// 8-bit levels in blocks of 64, met by 8-bit rows.
  case q8
  /// 4-bit levels in blocks of 64, met by 8-bit rows; embedding, head and the latent's up-projections in 8 bits.
  case q4

  /// What a parameter is for, as far as its format depends on it.
  package enum Use: Sendable {
    case projection
    /// Embedding and head: of few bytes, and of much effect.
    case sensitive
    /// A head's parts of a latent's up-projection, of which one is transposed: they stay as stored in a quantised folder,
    /// because a row's blocks are another row's there.
    case latentUp
    /// Routers and shared experts' gates: never rounded.
    case choice
    /// Norms, biases and the like: held in fp32.
    case vector
  }

  /// The format a matrix stored in `stored` is held in, and that of the rows it meets. `besideBlocks`: whether the model
  /// has matrices stored in blocks.
  package func formats(
    _ use: Use, stored: WeightFormat, besideBlocks: Bool = false
  ) -> (weights: WeightFormat, rows: RowFormat) {
    switch (self, use) {
    case (_, .choice): stored.isBlocked ? (.float32, .float32) : (stored, stored.plainRowFormat)
    // All products of a model take rows in one form, whatever their weights are stored in.
    case (.auto, _) where besideBlocks: stored.canMeet(.int8) ? (stored, .int8) : (.q8, .int8)
    case (.auto, _): stored.isHeld ? (stored, stored.plainRowFormat) : (.q8, .int8)
    case (.f32, _), (_, .vector): (.float32, .float32)
    case (.bf16, _): (.bfloat16, .bfloat16)
    case (.q8, _), (.q4, .sensitive), (.q4, .latentUp): (.q8, .int8)
    case (.q4, .projection): (.q4, .int8)
    }
  }

  /// What experts and the rows they meet are held in where they are stored in bf16, as published models are.
  package var experts: (weights: WeightFormat, rows: RowFormat) { formats(.projection, stored: .bfloat16) }

  /// Whether `quantize` writes it.
  package var isQuantized: Bool { self == .q8 || self == .q4 }
}
