import EngineAPI
import MoEModel
import Tensors

/// One sequence on its home rank: its tokens, and where its keys and values lie.
final class HomeSequence {
  let id: SequenceID
  let promptCount: Int
  let sampling: SamplingParameters
  let scoring: ScoringOptions?
  let details: TokenDetails
  /// What its hidden states add up to, where they are wanted.
  var pool: StatePool?
  let bias: [TokenBias]
  /// Prompt, then what was drawn.
  var tokens: [Int32]
  /// The step that fed it last.
  var lastStep = 0
  private(set) var blockCount = 0
  /// Addresses of the blocks in layer 0.
  private(set) var table = AlignedBuffer<UnsafeRawPointer?>(count: 64)

  /// Room for a continuation; a longer one grows by doubling.
  private static let spareTokens = 1024

  init(_ admission: StepPlan.Admission) {
    id = admission.id
    promptCount = admission.promptCount
    sampling = admission.sampling
    scoring = admission.scoring
    details = admission.details
    pool = admission.pooling.map { StatePool($0) }
    bias = admission.bias
    tokens = admission.tokens
    tokens.reserveCapacity(admission.tokens.count + Self.spareTokens)
  }

  /// Takes over the cache block for its next positions; throws `malformedPlan` for one that does not exist.
  func append(block: Int32, of cache: KeyValueCache) throws(InferenceError) {
    guard block >= 0, Int(block) < cache.blockCount else {
      throw .malformedPlan("it names cache block \(block) of the \(cache.blockCount) there are")
    }
    if blockCount == table.count {
      let larger = AlignedBuffer<UnsafeRawPointer?>(count: table.count * 2)
      larger.pointer.update(from: table.pointer, count: table.count)
      table = larger
    }
    table.pointer[blockCount] = UnsafeRawPointer(cache.address(ofBlock: block))
    blockCount += 1
  }
}
