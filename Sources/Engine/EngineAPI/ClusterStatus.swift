/// What the ranks have done since the start, and hold now.
package struct ClusterStatus: Sendable, Equatable {
  /// One rank. Seconds and counts are sums since the start of the job.
  package struct RankStatus: Sendable, Equatable {
    package var rank = 0
    package var host = ""
    package var sequences = 0
    /// Blocks of attention cache: in use by sequences, kept for their prefixes only, and in all.
    package var blocksInUse = 0
    package var blocksCached = 0
    package var blocks = 0
    /// Tokens of own sequences fed to the model.
    package var tokens = 0
    /// Seconds of steps: attention; experts, shared ones and dense layers; packing, sending, receiving; waiting for
    /// late ranks; the rest.
    package var attention = 0.0
    package var experts = 0.0
    package var communication = 0.0
    package var waiting = 0.0
    package var other = 0.0
    package init() {}
  }

  /// When it was made: seconds since the job started.
  package var time = 0.0
  package var ranks: [RankStatus] = []
  package var requestsWaiting = 0
  package var requestsRunning = 0
  package var requestsFinished = 0
  package var preemptions = 0
  package var promptTokens = 0
  /// Of them, found in the cache.
  package var cachedTokens = 0
  package var generatedTokens = 0
  package var prefillSteps = 0
  package var decodeSteps = 0
  package var prefillSeconds = 0.0
  package var decodeSeconds = 0.0
  /// Sent between ranks in expert layers.
  package var bytesSent = 0
  package var messagesSent = 0
  /// By place after the last token: drafts that were looked at, and those that were right.
  package var drafted: [Int] = []
  package var accepted: [Int] = []
  /// Decode steps with drafts and without, where steps draft.
  package var draftingSteps = 0
  package var restingSteps = 0
  /// How many times as fast steps with drafts were as without at the same load; 0 where that is not known.
  package var speculationGain = 0.0
  /// How much more than the mean the busiest rank had, layer by layer and step by step, since the start of the job: of
  /// visits to experts, and of distinct experts. 1 where all ranks have the same, or there are no experts.
  package var busiestVisits = 1.0
  package var busiestExperts = 1.0
  /// Times that experts have changed places since the job started; how many experts were sent, and how many replicas
  /// there are.
  package var rebalances = 0
  package var expertsMoved = 0
  package var replicas = 0
  /// Whether experts are changing places now.
  package var isRebalancing = false
  /// Why they did not the last time it was tried; empty where they did.
  package var rebalanceFailure = ""
  /// The layers that have experts, and the visits of each expert in each of them.
  package var layers: [Int] = []
  package var visits: [[Int]] = []

  package init() {}
}
