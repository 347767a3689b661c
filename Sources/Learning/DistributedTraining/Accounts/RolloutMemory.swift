import Gradients
import Kernels
import MoEModel

/// What a rank takes to sample completions with a model that is in its memory already.
///
/// Completions that find no room wait, or make room for others: the fewest blocks of attention cache are those of the
/// longest one.
package struct RolloutMemory: Sendable, Equatable {
  /// Blocks with which all of a round run at once, shared out evenly, and the fewest.
  package let blocks: Int
  package let leastBlocks: Int
  package let blockByteCount: Int
  /// Recurrent states, in models that keep some: of all that runs at once, and of a few beginnings; nil in others.
  package let stateCount: Int?
  /// What a step of sampling makes of its rows, and states.
  private let stepByteCount: Int

  /// Tokens that a rank feeds in a step.
  package static func batchTokens(sequences: Int) -> Int { max(512, sequences) }

  /// For up to `sequences` completions at a time, prompts and all at most `longest` tokens each.
  package init(
    _ description: DecoderDescription, sequences: Int, longest: Int, _ terms: TrainingLayout.Terms
  ) {
    let (ranks, sequences) = (max(1, terms.rankCount), min(max(1, sequences), 1 << 40))
    leastBlocks = max(1, KeyValueCache.blockCount(tokens: min(longest, 1 << 40)))
    // Ranks' parts differ by one.
    let each = (sequences - 1) / ranks + 2
    let wanted = leastBlocks.multipliedReportingOverflow(by: each)
    blocks = wanted.overflow ? Int.max >> 8 : min(Int.max >> 8, wanted.partialValue)
    blockByteCount = max(1, KeyValueCache.blockByteCount(description, type: .f32))
    var terms = terms
    (terms.recomputes, terms.products, terms.checkpoints) = (true, .float32, nil)
    (terms.sequenceLength, terms.sequences, terms.leaves) = (Self.batchTokens(sequences: sequences), ranks, nil)
    let pass = TrainingMemory(TrainingLayout(description, terms), rank: 0)
    let rows = Double(min(each, terms.sequenceLength))
    let logits = Int(min(4 * rows * Double(description.vocabularySize), Double(Int.max / 16)))
    let parts: [TrainingMemory.Part] = [.activations, .experts, .messages]
    stateCount = description.isRecurrent ? min(each, 4096) + min(each, 16) : nil
    let states = StateCache.slotByteCount(description).multipliedReportingOverflow(by: stateCount ?? 0)
    let held = min(logits, Int.max / 16) + (states.overflow ? Int.max / 16 : min(states.partialValue, Int.max / 16))
    stepByteCount = parts.reduce(held) { $0 + min(pass.byteCount($1), Int.max / 16) }
  }

  /// With so many blocks.
  package func byteCount(blocks: Int) -> Int {
    let (cache, overflows) = blocks.multipliedReportingOverflow(by: blockByteCount)
    return overflows ? Int.max / 16 : min(cache, Int.max / 16) + stepByteCount
  }

  package var byteCount: Int { byteCount(blocks: blocks) }
  package var leastByteCount: Int { byteCount(blocks: leastBlocks) }

  /// The fewest blocks, and a part of the rest.
  package func blocks(share: Double) -> Int {
    leastBlocks + Int(Double(blocks - leastBlocks) * min(1, max(0, share)))
  }
}
