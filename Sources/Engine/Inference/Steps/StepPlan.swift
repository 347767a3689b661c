import EngineAPI
import Fabric
import MoEModel
import Telemetry

/// What every rank is to do in one step, decided by rank 0 and sent to all: the body of `RankCommand.step`.
struct StepPlan: Equatable {
  /// A sequence's appearance: its tokens, its home, and how it is to be treated.
  struct Admission: Equatable {
    var id: SequenceID
    var home: Rank
    /// The prompt, and what was sampled before.
    var tokens: [Int32]
    var promptCount: Int
    /// Tokens from the start whose keys and values are in `blocks` already.
    var cachedCount: Int
    /// Cache blocks of its home for its positions, in order.
    var blocks: [Int32]
    /// Another sequence's block in which the last of those tokens lie where they do not fill one: as it is before the
    /// step, it becomes the beginning of the sequence's own block there.
    var copied = BlockPool.none
    var sampling = SamplingParameters()
    /// Set for a prompt to be scored.
    var scoring: ScoringOptions?
    /// Set for a prompt whose hidden states are wanted.
    var pooling: Pooling?
    /// What to tell of each token that is sampled.
    var details = TokenDetails()
    /// By ascending id.
    var bias: [TokenBias] = []
    /// The slot of recurrent states that it works in; none in models without.
    var state = StateSlots.none
    /// The slot whose state it begins from, as it is before the step; none for the state before any token.
    var source = StateSlots.none
  }

  /// One sequence's tokens in this step: `count` from `start`, and the logits or states wanted.
  struct Item: Equatable {
    var id: SequenceID
    var home: Rank
    var start: Int
    var count: Int
    var outputs: DecoderBatch.Outputs
    /// Of a sequence being continued: tokens taken for its next ones, which are fed after its own last one. What they
    /// are worth is found at its home, where each row is sampled from as long as the drafts before it were right;
    /// `outputs` is `.all` then.
    var drafts: [Int32] = []

    /// Rows that are sampled from, where it is no prompt to be scored.
    var sampledRows: Int { outputs == .last ? 1 : drafts.isEmpty ? 0 : count }

    /// Rows of logits, and of hidden states, that are wanted of it.
    var logitRows: Int { outputs == .last ? 1 : outputs == .all ? count : 0 }
    var stateRows: Int { outputs == .lastState ? 1 : outputs == .allStates ? count : 0 }

    /// Feeds these tokens after its only one.
    mutating func append(drafts more: [Int32]) {
      guard !more.isEmpty else { return }
      (drafts, count, outputs) = (more, 1 + more.count, .all)
    }
  }

  /// A sequence's next cache block.
  struct Growth: Equatable {
    var id: SequenceID
    var block: Int32
  }

  /// The tokens that may be sampled for item `item`: of an item with drafts there is one for each of its rows, in their
  /// order.
  struct Mask: Equatable {
    var item: Int
    var allowed: AllowedTokens
  }

  /// A sequence's recurrent state after its first `position` tokens goes to a slot; item `item` feeds the last of them.
  struct Snapshot: Equatable {
    var item: Int
    var position: Int
    var slot: Int32
  }

  /// When rank 0 began the step, and when it sent the plan, in nanoseconds of its clock.
  var begin: UInt64 = 0
  var stamp: UInt64 = 0
  /// Sequences to be forgotten before anything else.
  var releases: [SequenceID] = []
  var admissions: [Admission] = []
  var growths: [Growth] = []
  var items: [Item] = []
  /// By ascending item.
  var masks: [Mask] = []
  /// Whether the prediction module runs after the model, over the same rows, and its guesses are told; not without
  /// items.
  var predicts = false
  /// By item, and then by position.
  var snapshots: [Snapshot] = []

  /// A decode step only continues sequences.
  var kind: StepKind {
    items.allSatisfy { $0.start > 0 && $0.count == 1 + $0.drafts.count && $0.sampledRows == $0.count }
      ? .decode : .prefill
  }

  /// Tokens fed as drafts.
  var draftCount: Int { items.reduce(0) { $0 + $1.drafts.count } }

  /// Tokens of each rank in this step.
  func rowsByRank(size: Int) -> [Int] {
    var rows = [Int](repeating: 0, count: size)
    countRows(&rows)
    return rows
  }

  /// Replaces `rows`, one for each rank, by the tokens each has in this step.
  func countRows(_ rows: inout [Int]) {
    for rank in rows.indices { rows[rank] = 0 }
    for item in items { rows[item.home.index] += item.count }
  }

  init() {}
}
