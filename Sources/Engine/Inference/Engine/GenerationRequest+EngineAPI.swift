import EngineAPI
import Fabric
import Kernels
import ModelRuntime
import MoEModel

extension GenerationRequest {
  /// What an engine was asked for, as the loop takes it.
  init(_ request: TokenRequest, constraint: (any TokenConstraint)?) {
    if let pooling = request.pooling {
      self.init(prompt: request.prompt, task: .embed(pooling))
      return
    }
    self.init(
      prompt: request.prompt,
      task: .generate(maxNewTokens: request.maxNewTokens, sampling: request.sampling, stopTokens: request.stopTokens))
    sampled = request.sampled
    details = request.details
    logitBias = request.logitBias
    self.constraint = constraint
  }
}

extension GenerationRequest {
  /// The same request's prompt, to be scored with so many of the most probable tokens at each position.
  init(scoring request: TokenRequest, topCount: Int) {
    var options = ScoringOptions()
    options.topCount = topCount
    self.init(prompt: request.prompt, task: .score(options))
  }
}

extension GenerationSession {
  /// What this session serves.
  package var facts: EngineFacts {
    var facts = EngineFacts()
    facts.family = description.family
    facts.layerCount = description.layerCount
    facts.hiddenSize = description.hiddenSize
    facts.expertCount = description.moe?.expertCount ?? 0
    facts.expertsPerToken = description.moe?.topK ?? 0
    facts.vocabularySize = description.vocabularySize
    facts.maximumPositions = description.maximumPositions
    facts.rankCount = communicator.size
    facts.threadsPerRank = compute.workerCount
    facts.instructionSet = compute.instructionSet.rawValue
    facts.cacheTokens = limits.blocksPerRank * KeyValueCache.blockTokens
    facts.sequences = limits.sequences
    facts.batchTokens = limits.batchTokens
    facts.movesExperts = communicator.size > 1 && model.spareExperts.allSatisfy { $0 > 0 }
    return facts
  }
}
