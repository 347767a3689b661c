/// What a step may hold.
package struct SchedulerLimits: Sendable {
  /// Tokens one rank feeds in a step.
  package var batchTokens = 512
  /// Sequences in progress at once.
  package var sequences = 256
  /// Rows of logits of one rank in a step, where prompts are scored.
  package var scoredRows = 512
  /// Cache blocks of each rank.
  package var blocksPerRank = 0
  /// Recurrent states of each rank; 0 in models that keep none.
  package var statesPerRank = 0
  /// Drafts of one home in a step in such models: each takes a state, to be taken back to.
  package var draftedStates = 0
  /// Full blocks stay to be found by sequences that begin alike.
  package var keepsPrefixes = true
  package init() {}

  /// Rows of logits of one home in a step, at most: one of each sequence that is sampled from, and as many as
  /// `scoredRows` of prompts that are scored, and again of drafts.
  var logitRows: Int { sequences + 2 * scoredRows }

  /// Blocks of `size` tokens that modules draft for one home at once, of each token with logits: as many as it may feed
  /// rows, and as there may be rows of logits where prompts are scored; but one may always be.
  func blockCount(size: Int) -> Int {
    guard size > 0 else { return 0 }
    return min(batchTokens / size, max(1, scoredRows / size))
  }
}
