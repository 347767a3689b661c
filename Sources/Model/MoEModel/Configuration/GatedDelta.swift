import Kernels

extension DecoderDescription {
  /// Whether layers keep a recurrent state of each sequence.
  package var isRecurrent: Bool { runLayers.contains { $0.attention.stateCount > 0 } }

  /// Throws `ModelError.noBackwardPass` for a model that is to learn with its prediction modules where these draft
  /// blocks together (`BlockDrafting`).
  package func requireBackwardPass() throws(ModelError) {
    guard predicts, blockDrafting != nil else { return }
    throw .noBackwardPass(family: family)
  }
}

/// Gated DeltaNet (Yang, Kautz and Hatamizadeh, 2024, arXiv 2412.06464), as Qwen3-Next has it: a head keeps of all
/// tokens before one matrix, which fades and is corrected by each. What enters it goes through a short causal
/// convolution.
package struct GatedDelta: Sendable, Hashable {
  /// How the checkpoint stores the projections of the hidden state.
  package enum Projections: Sendable {
    /// Two matrices whose rows are grouped by key head: `[query | key | values | gates]`, and `[betas | decays]`.
    case fused
    /// Four: `[queries | keys | values]`, gates, betas and decays.
    case separate
  }
  package var keyHeadCount: Int
  /// A multiple of `keyHeadCount`: value heads that follow each other share a key head.
  package var valueHeadCount: Int
  package var keyDims: Int
  package var valueDims: Int
  /// Tokens that the convolution sees, the last of which is a token itself.
  package var taps: Int
  package var projections: Projections

  package var keyWidth: Int { keyHeadCount * keyDims }
  package var valueWidth: Int { valueHeadCount * valueDims }
  package var valuesPerKey: Int { valueHeadCount / max(keyHeadCount, 1) }
  /// Channels of the convolution: queries, keys, values.
  package var channels: Int { 2 * keyWidth + valueWidth }

  /// Floats of one head's matrix.
  var headStateCount: Int { Compute.deltaStateCount(keyDims: keyDims, valueDims: valueDims) }
  /// Floats of the convolution's window, the `taps - 1` latest tokens' channels, up to a whole cache line.
  var windowCount: Int { ((taps - 1) * channels + 15) / 16 * 16 }
  /// Floats that a layer keeps of a sequence: the window, and then each value head's matrix.
  package var stateCount: Int { windowCount + valueHeadCount * headStateCount }
}
