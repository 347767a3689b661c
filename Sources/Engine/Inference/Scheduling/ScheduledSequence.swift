import EngineAPI
import Fabric
import MoEModel

/// A request as rank 0 follows it: what it has become, where it lives, and what is in the cache.
struct ScheduledSequence {
  let id: SequenceID
  let request: GenerationRequest
  /// Prompt, then what was sampled.
  var tokens: [Int32]
  var home = Rank(0)
  /// Tokens whose keys and values are in the cache, those of the step under way among them.
  var fed = 0
  /// Tokens sampled so far.
  var generated: Int
  /// The cache blocks of its home that hold its positions, in order.
  var blocks: [Int32] = []
  /// Kept blocks of others with the same content as one of its own, in which it takes part so that its later blocks can
  /// be found.
  var twins: [Int32] = []
  /// Its first blocks that others can find, and the last of them.
  var keptCount = 0
  var lastKept = BlockPool.none
  /// What the prediction module takes for the tokens after the last one, if it was asked when that was sampled.
  var predictions: [Int32] = []
  /// The first of them.
  var prediction: Int32? { predictions.first }
  /// Tokens fed without the prediction module's reading them.
  var missedCount = 0
  /// What it has of recurrent states, in models that keep some.
  var states = States()
  /// Of the prompt, by which the same one is found.
  let promptDigest: Int
  /// Admitted, and not yet fed.
  var isNew = false
  /// Admitted before, and thrown out for want of room.
  var isResumed = false

  init(_ request: GenerationRequest, id: SequenceID) {
    self.id = id
    self.request = request
    tokens = request.prompt + request.sampled
    generated = request.sampled.count
    promptDigest = request.prompt.hashValue
  }

  var promptCount: Int { request.prompt.count }
  /// Tokens to be fed before the next one can be sampled.
  var remaining: Int { tokens.count - fed }
  /// It feeds only what was sampled last.
  var isContinuing: Bool { generated > 0 && remaining == 1 && !isNew }
  var isScored: Bool { if case .score = request.task { true } else { false } }
  /// Something is wanted of each of its positions, so that all have to be read whatever is in the cache.
  var isReadWhole: Bool { isScored || pooling == .mean }
  private var pooling: Pooling? { if case .embed(let pooling) = request.task { pooling } else { nil } }

  /// Feeds the next `count` tokens.
  mutating func feed(_ count: Int) -> StepPlan.Item {
    let start = fed
    fed += count
    isNew = false
    let outputs: DecoderBatch.Outputs =
      switch request.task {
      case .score: .all
      case .embed(.mean): .allStates
      case .embed(.last): remaining == 0 ? .lastState : .none
      case .generate: remaining == 0 ? .last : .none
      }
    return StepPlan.Item(id: id, home: home, start: start, count: count, outputs: outputs)
  }

  /// How it appears on its home.
  func admission(cachedCount: Int, copied: Int32) -> StepPlan.Admission {
    var admission = StepPlan.Admission(
      id: id, home: home, tokens: tokens, promptCount: promptCount, cachedCount: cachedCount, blocks: blocks)
    switch request.task {
    case .generate(_, let parameters, _): admission.sampling = parameters
    case .score(let options): admission.scoring = options
    case .embed(let pooling): admission.pooling = pooling
    }
    admission.copied = copied
    (admission.state, admission.source) = (states.slot, states.source)
    admission.details = request.details
    admission.bias = request.logitBias.sorted { $0.key < $1.key }.map { TokenBias(token: $0.key, amount: $0.value) }
    return admission
  }
}
