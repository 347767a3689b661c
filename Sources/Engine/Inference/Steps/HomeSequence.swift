import EngineAPI
import Kernels
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
  /// Prompt, then what was sampled.
  var tokens: [Int32]
  /// The step that fed it last.
  var lastStep = 0
  private(set) var blockCount = 0
  /// Its slot of recurrent states; nil in models without.
  private(set) var state: UnsafeMutablePointer<Float>?
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

  /// Takes over the slot of recurrent states that its admission names, with the state that it begins from; throws
  /// `malformedPlan` for slots that do not exist.
  func takeState(_ admission: StepPlan.Admission, of states: StateCache, _ compute: Compute) throws(InferenceError) {
    guard states.slotCount > 0 else { return }
    func check(_ slot: Int32) throws(InferenceError) {
      guard slot >= 0, Int(slot) < states.slotCount else {
        throw .malformedPlan("it names recurrent state \(slot) of the \(states.slotCount) there are")
      }
    }
    try check(admission.state)
    if admission.cachedCount > 0 {
      try check(admission.source)
      states.copy(admission.source, to: admission.state, compute)
    } else {
      states.clear(admission.state, compute)
    }
    state = states.address(ofSlot: admission.state)
  }

  /// Gives it the part of a block that another sequence has read already, where its admission names one; throws
  /// `malformedPlan` for blocks that do not exist, or where there is no such part.
  func copyBeginning(_ admission: StepPlan.Admission, in cache: KeyValueCache) throws(InferenceError) {
    guard admission.copied != BlockPool.none else { return }
    let (copied, cachedCount, blocks) = (admission.copied, admission.cachedCount, admission.blocks)
    let place = cachedCount / KeyValueCache.blockTokens
    guard cachedCount % KeyValueCache.blockTokens > 0, blocks.indices.contains(place) else {
      throw .malformedPlan("it copies a block to sequence \(id.value), of which \(cachedCount) tokens are cached")
    }
    guard copied >= 0, Int(copied) < cache.blockCount, copied != blocks[place] else {
      throw .malformedPlan("it copies cache block \(copied) of the \(cache.blockCount) there are")
    }
    cache.copy(copied, to: blocks[place])
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
