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
    /// The prompt, and what was drawn before.
    var tokens: [Int32]
    var promptCount: Int
    /// Tokens from the start whose keys and values are in `blocks` already.
    var cachedCount: Int
    /// Cache blocks of its home for its positions, in order.
    var blocks: [Int32]
    var sampling = SamplingParameters()
    /// Set for a prompt to be scored.
    var scoring: ScoringOptions?
    /// Set for a prompt whose hidden states are wanted.
    var pooling: Pooling?
    /// What to tell of each token that is drawn.
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
  }

  /// A sequence's next cache block.
  struct Growth: Equatable {
    var id: SequenceID
    var block: Int32
  }

  /// The tokens that may be drawn for item `item`.
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
  var masks: [Mask] = []
  /// By item, and then by position.
  var snapshots: [Snapshot] = []

  /// A decode step only continues sequences.
  var kind: StepKind {
    items.allSatisfy { $0.count == 1 && $0.outputs == .last && $0.start > 0 } ? .decode : .prefill
  }

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
