import MoEModel
import Tensors

/// One sequence on its home rank: its tokens, and where its keys and values lie.
final class HomeSequence {
  let id: SequenceID
  let promptCount: Int
  let sampling: SamplingParameters
  let scoring: ScoringOptions?
  /// Prompt, then what was drawn.
  var tokens: [Int32]
  /// The step that fed it last.
  var lastStep = 0
  private(set) var blocks: [Int32] = []
  /// Addresses of the blocks in layer 0.
  private(set) var table = AlignedBuffer<UnsafeRawPointer?>(count: 64)

  /// Room for a continuation; a longer one grows by doubling.
  private static let spareTokens = 1024

  init(_ admission: StepPlan.Admission) {
    id = admission.id
    promptCount = admission.prompt.count
    sampling = admission.sampling
    scoring = admission.scoring
    tokens = admission.prompt
    tokens.reserveCapacity(admission.prompt.count + Self.spareTokens)
    blocks.reserveCapacity(KeyValueCache.blockCount(tokens: admission.prompt.count + Self.spareTokens))
  }

  /// Takes blocks from the cache until `positions` fit; false when it has too few left.
  func reserve(positions: Int, from cache: KeyValueCache) -> Bool {
    let needed = KeyValueCache.blockCount(tokens: positions)
    while blocks.count < needed {
      guard let block = cache.allocateBlock() else { return false }
      if blocks.count == table.count {
        let larger = AlignedBuffer<UnsafeRawPointer?>(count: table.count * 2)
        larger.pointer.update(from: table.pointer, count: table.count)
        table = larger
      }
      table.pointer[blocks.count] = UnsafeRawPointer(cache.address(ofBlock: block))
      blocks.append(block)
    }
    return true
  }
}
