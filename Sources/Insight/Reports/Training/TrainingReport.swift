import JSON
import Telemetry

/// Everything that a page of a training is made of.
package struct TrainingReport: Sendable {
  /// A phase of a training step, or between steps.
  package struct Phase: Sendable {
    package var name: String
    package var isOfStep: Bool

    package init(name: String, isOfStep: Bool) { (self.name, self.isOfStep) = (name, isOfStep) }
  }

  /// One rank's steps since this run began, in nanoseconds.
  package struct Rank: Sendable {
    package var steps: Int
    package var wall: Double
    /// By phase, and what of it was waiting for other ranks.
    package var time: [Double]
    package var waiting: [Double]
    /// The latest phases, where they were kept: the start on the rank's clock, and the number of the phase; one that is
    /// none ends a run of them.
    package var spans: [(start: UInt64, phase: Int)]

    package init(steps: Int, wall: Double, time: [Double], waiting: [Double], spans: [(start: UInt64, phase: Int)]) {
      (self.steps, self.wall, self.time, self.waiting, self.spans) = (steps, wall, time, waiting, spans)
    }
  }

  /// Rows of words, such as an account of cost.
  package struct Table: Sendable {
    package var title: String
    package var note: String
    package var header: [String]
    package var rows: [[String]]

    package init(title: String, note: String = "", header: [String] = [], rows: [[String]]) {
      (self.title, self.note, self.header, self.rows) = (title, note, header, rows)
    }
  }

  package var subject: RunSubject
  /// Steps of the training in all.
  package var stepCount: Int
  /// Tokens that it has predicted.
  package var tokens = 0
  package var history: TrainingHistory
  package var phases: [Phase] = []
  package var ranks: [Rank] = []
  /// Of the ranks' passes, forward and backward in the places of the two kinds of step.
  package var passes: [RankAccount] = []
  /// The least that steps had to send in reductions, all ranks together.
  package var leastSumBytes = 0
  package var leastGatherBytes = 0
  /// Operations a second of all ranks together that MFU is a part of.
  package var peak = 0.0
  package var recipe: JSONValue = .null
  package var tables: [Table] = []
  /// Steps that changed nothing because their numbers were bad, and why the last of them was.
  package var skippedCount = 0
  package var skippedBecause = ""
  /// Why the training ended before its time.
  package var failure: String?

  package init(subject: RunSubject, stepCount: Int, history: TrainingHistory) {
    (self.subject, self.stepCount, self.history) = (subject, stepCount, history)
  }

  /// The places of the passes in a rank's account.
  static let passNames: [(kind: StepKind, name: String)] = [(.prefill, "forward"), (.decode, "backward")]

  /// One kind of what ranks send each other.
  struct Traffic {
    var name: String
    var bytes: Int
    var messages: Int
    var least: Int
  }

  /// Since the run began, all ranks together.
  var traffic: [Traffic] {
    var kinds = Self.passNames.map { kind, name in
      var all = Telemetry.Traffic()
      for rank in passes { for sent in rank.kinds[kind.rawValue].sent { all += sent } }
      return Traffic(
        name: name == "forward" ? "tokens to experts and back" : "gradients to experts and back", bytes: all.bytes,
        messages: all.messages,
        least: all.dispatchPayload + all.combinePayload / max(1, all.combineRows) * all.combineTokens)
    }
    var reduction = ReductionTraffic()
    for rank in passes {
      reduction.sumBytes += rank.reduction.sumBytes
      reduction.sumMessages += rank.reduction.sumMessages
      reduction.gatherBytes += rank.reduction.gatherBytes
      reduction.gatherMessages += rank.reduction.gatherMessages
    }
    kinds.append(
      Traffic(
        name: "sums of gradients", bytes: reduction.sumBytes, messages: reduction.sumMessages, least: leastSumBytes))
    kinds.append(
      Traffic(
        name: "new weights", bytes: reduction.gatherBytes, messages: reduction.gatherMessages, least: leastGatherBytes))
    return kinds
  }
}
